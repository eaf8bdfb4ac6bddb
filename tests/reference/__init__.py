"""What Tidemark must show: SPEC 1, 3, 4 and 9 in plain Python, slow and obvious.

It imports nothing of Tidemark and reads only the public events. Every model computes everything from the facts. Every
rule is written once, next to the sentence it comes from.

Amounts are exact integers. Time and materials is in seconds; fixed price in seconds times minor units an hour, so 3600
of these are one minor unit. ``exact`` in a name means this unit; it is divided once, when displayed (W3).
"""
