"""The models in force for other systems of the plant: an OPC UA server after OPC 10020 (ADI) that can only be read."""
