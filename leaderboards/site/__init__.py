"""The boards as static pages: `build.write`."""
