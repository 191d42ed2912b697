"""The shell around every room's pages: layout, components, charts, live stream, error pages."""
