"""Another model of villages than our own simulator, to hold the detectors against what they were not written for.

It shares no physics with `simulator`: another sun, other pumps, wells, people, meters and boxes, other sizes of faults.
Only file formats and the names of faults are common. Nobody reads `alerts/detectors` to write it, nor the other way.
`python -m benchmarks.villages` makes seasons, runs the backtest over them and prints one scoreboard.
"""
