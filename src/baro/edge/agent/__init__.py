"""The agent of stand-alone instruments: folders of an instrument PC, copied at once into write-once storage.

`source` looks at a folder, `watcher` judges what it sees, `store` keeps the content, `journal` what was seen and found,
`check` holds one against the other, `service` runs it all. Nothing of it writes to the instrument's folder.
"""
