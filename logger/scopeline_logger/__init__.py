"""The instrument PC's client of Scopeline: says who is at the microscope and sends what it writes.

Standard library only, Python 3.4 and later, because instrument PCs are old and stay as they are.
"""

__version__ = "0.1.0"
