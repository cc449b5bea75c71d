"""The demonstration's acquisitions: what is on the screen, saved as the microscope's software saves it."""
