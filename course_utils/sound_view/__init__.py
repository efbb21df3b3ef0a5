"""The one visual widget of the course: lanes over one time axis, one playhead, sound.

It draws numbers that somebody else computed and knows no signal processing.
"""

from course_utils.sound_view.view import Axis, Chart, Curve, Lane, Line, Picture, SoundView, listen

__all__ = ["Axis", "Chart", "Curve", "Lane", "Line", "Picture", "SoundView", "listen"]
