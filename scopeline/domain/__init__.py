"""Data and rules without I/O. Nothing here knows ports, adapters, web frameworks or clouds."""
