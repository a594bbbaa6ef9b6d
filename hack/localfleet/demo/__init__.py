"""The demo: Leeward on three local regions, losing one in every way that matters, under load.

`stage.py` sets everything up, `watch.py` samples what is in force, `scenes.py` is the table of what goes wrong,
`play.py` plays it and tells it, `measure.py` turns records into figures, `report.py` writes them down.
"""
