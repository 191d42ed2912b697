"""Sparkplug B 3.0 without I/O: payloads, topics, and the sessions of a host application and an edge node.

Bytes and times go in, messages to publish and things that happened come out. What connects them to a broker
is `baro.edge.drivers.sparkplug`.
"""
