-- The order of a line, and of each process's tickets in it, as long as nobody has aged or rests; with the process, by which
-- who stands behind finds the one to sleep on.
CREATE INDEX tickets_in_order ON tickets (key, priority DESC, ticket, process);
CREATE INDEX tickets_of_process ON tickets (key, process, priority DESC, ticket);

-- Who is out of that order, or is after one more grant to a later ticket: then the whole line is read.
CREATE INDEX tickets_out_of_order ON tickets (key) WHERE passed >= 15 OR rest <> 0;
