"""Two Tk windows of one process, two text boxes in each: Return submits, Shift+Return is a new line.

Says what happens as JSON, one object a line; answers "drafts" on its standard input. Ends with its standard input.
"""

import json
import sys
import tkinter

PLACES = ["700x500+20+20", "700x500+780+20"]


def say(what):
    print(json.dumps(what), flush=True)


root = tkinter.Tk()
windows = [root, tkinter.Toplevel(root)]
boxes = []


def submit(event):
    say({"submitted": {"box": boxes.index(event.widget), "text": event.widget.get("1.0", "end-1c")}})
    event.widget.delete("1.0", "end")
    return "break"


def area(box):
    top = box.winfo_toplevel()
    return {
        "title": top.title(),
        "x": box.winfo_rootx(),
        "y": box.winfo_rooty(),
        "width": box.winfo_width(),
        "height": box.winfo_height(),
        "left": box.winfo_rootx() - top.winfo_rootx(),
        "top": box.winfo_rooty() - top.winfo_rooty(),
    }


def asked(stream, _mask):
    line = stream.readline()
    if not line:
        root.destroy()
    elif line.strip() == "drafts":
        # What the server has sent already is looked at first.
        root.update()
        say({"drafts": [box.get("1.0", "end-1c") for box in boxes]})


for number, (window, place) in enumerate(zip(windows, PLACES), 1):
    window.title(f"Texts {number}")
    window.geometry(place)
    for _ in range(2):
        # Nothing is kept for undoing: a long run would slow down.
        box = tkinter.Text(window, width=20, height=5, undo=False)
        box.pack(side="left", fill="both", expand=True, padx=10, pady=10)
        box.bind("<Return>", submit)
        box.bind("<Shift-Return>", lambda event: None)
        boxes.append(box)

while not all(box.winfo_viewable() for box in boxes):
    root.tk.dooneevent(0)
root.update()
root.createfilehandler(sys.stdin, tkinter.READABLE, asked)
say({"boxes": [area(box) for box in boxes]})
root.mainloop()
