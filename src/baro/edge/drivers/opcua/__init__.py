"""OPC UA: spectra of analysers (OPC 10020, ADI) and analog tags of machines."""

from baro.edge.drivers.opcua.client import OpcUaDriver
from baro.edge.drivers.opcua.settings import OpcUaSettings

__all__ = ["OpcUaDriver", "OpcUaSettings"]
