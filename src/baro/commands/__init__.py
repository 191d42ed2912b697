"""Commands by room; `baro.cli` puts them together."""
