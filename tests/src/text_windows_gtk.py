"""Two GTK windows of one process, two text boxes in each: Return submits, Shift+Return is a new line.

Says what happens as JSON, one object a line; answers "drafts" on its standard input. Ends with its standard input.
"""

import json
import sys

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

PLACES = [(20, 20), (780, 20)]
windows = []
boxes = []


def say(what):
    print(json.dumps(what), flush=True)


def text_of(box):
    buffer = box.get_buffer()
    return buffer.get_text(buffer.get_start_iter(), buffer.get_end_iter(), True)


def pressed(box, event):
    if event.keyval != Gdk.KEY_Return or event.state & Gdk.ModifierType.SHIFT_MASK:
        return False
    say({"submitted": {"box": boxes.index(box), "text": text_of(box)}})
    box.get_buffer().set_text("")
    return True


def area(box):
    top = box.get_toplevel()
    left, upper = box.translate_coordinates(top, 0, 0)
    _, x, y = top.get_window().get_origin()
    place = box.get_allocation()
    return {
        "title": top.get_title(),
        "x": x + left,
        "y": y + upper,
        "width": place.width,
        "height": place.height,
        "left": left,
        "top": upper,
    }


def asked(channel, condition):
    line = sys.stdin.readline()
    if not line:
        Gtk.main_quit()
        return False
    if line.strip() == "drafts":
        # What the server has sent already is looked at first.
        while Gtk.events_pending():
            Gtk.main_iteration_do(False)
        say({"drafts": [text_of(box) for box in boxes]})
    return True


shown = 0


def ready(window, _event):
    global shown
    shown += 1
    if shown == len(windows):
        say({"boxes": [area(box) for box in boxes]})
    return False


for number, (x, y) in enumerate(PLACES, 1):
    window = Gtk.Window(title=f"Texts {number}")
    window.set_default_size(700, 500)
    window.move(x, y)
    row = Gtk.Box(spacing=20, homogeneous=True, margin=10)
    for _ in range(2):
        box = Gtk.TextView(wrap_mode=Gtk.WrapMode.CHAR)
        box.connect("key-press-event", pressed)
        # Long texts scroll inside instead of making the window grow.
        scroll = Gtk.ScrolledWindow()
        scroll.add(box)
        row.pack_start(scroll, True, True, 0)
        boxes.append(box)
    window.add(row)
    window.connect("map-event", ready)
    windows.append(window)

for window in windows:
    window.show_all()
GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, asked)
Gtk.main()
