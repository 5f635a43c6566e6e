"""The report: runs as a folder of static pages with a trajectory viewer.

What a page shows is computed by pure functions (`sections/`, `revisions.py`, `trajectories.py`);
templates only lay it out. The pages need no server and load nothing from outside their folder.
"""
