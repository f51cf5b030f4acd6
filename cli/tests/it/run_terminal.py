"""Types into an interactive bash on a pseudo terminal, and reads what comes back."""

import os, pty, re, select, sys, time

TALKSTICK = sys.argv[1]
PATIENCE_S = 30


class Terminal:
    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="ready> ", TERM="dumb", T=f"{TALKSTICK} --root . run k")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
        self.unread = ""

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def expect(self, pattern):
        deadline = time.monotonic() + PATIENCE_S
        while not (match := re.search(pattern, self.unread)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"in vain waited for {pattern!r}; the terminal shows: {self.unread!r}")
            self.unread += os.read(self.fd, 4096).decode(errors="replace")
        self.unread = self.unread[match.end() :]
        return match


t = Terminal()
t.expect("ready> ")

# The child reads the terminal, is stopped by ^Z, continued by fg, and ended by ^C.
t.type("$T -- sh -c 'echo star\"\"ted; exec cat'\r")
t.expect("started\r\n")
t.type("hello\r")
t.expect("hello\r\nhello\r\n")
t.type("\x1a")
t.expect("Stopped[^\n]*\r\n")
t.expect("ready> ")
t.type("$T -n -- true; echo status=$?\r")
t.expect("status=75\r\n")
t.type("fg\r")
t.expect("exec cat'\r\n")
t.type("again\r")
t.expect("again\r\nagain\r\n")
t.type("\x03")
t.expect("ready> ")
t.type("echo status=$?\r")
t.expect("status=130\r\n")

# ^C while waiting ends the wait.
t.type("$T -- sh -c 'echo > holds; exec sleep 60' & until [ -e holds ]; do sleep 0.01; done\r")
t.expect("ready> ")
t.type("$T -w 600 -- true\r")
t.expect("waiting for")
t.type("\x03")
t.expect("ready> ")
t.type("echo status=$?\r")
t.expect("status=130\r\n")

# In the background the child is stopped when it reads the terminal, and fg gives it the terminal.
t.type("kill %1; wait %1; $T -w 60 -- sh -c 'read line; echo got=$line' &\r")
t.expect("ready> ")
t.type("sleep 0.3; fg\r")
t.expect("echo got=[^\n]*\r\n")
time.sleep(0.3)
t.type("typed\r")
t.expect("got=typed\r\n")
t.expect("ready> ")

# Behind a pipe the child may still ask on the terminal.
t.type("echo data | $T -w 60 -- sh -c 'read a; read b </dev/tty; echo \"$a+$b\"'\r")
t.expect("\r\n")
time.sleep(0.3)
t.type("tty\r")
t.expect("data\\+tty\r\n")
t.expect("ready> ")

# After all that the terminal is the shell's again.
t.type("echo all-$((1 + 1))\r")
t.expect("all-2\r\n")
print("all seen")
