"""The pages of the PAT room: a module for each stage of a model's life."""
