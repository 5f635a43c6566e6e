"""Two runs over the same tasks: what differs, which tasks flipped, and is the second no worse?"""
