-- Optional: an index on the URLs of videos. Searches by URL then read the index instead of the whole table.
--
-- Add it at any time, while this program and the replaced Lambda write: the server builds it beside the table and blocks neither reads nor
-- writes. A server that cannot do that refuses the statement (ALGORITHM=INPLACE, LOCK=NONE: "Online DDL Operations" in the MySQL manual,
-- "InnoDB Online DDL Overview" in MariaDB's documentation).
--
-- Undo it: ALTER TABLE video_assets DROP KEY video_url, ALGORITHM=INPLACE, LOCK=NONE;
ALTER TABLE video_assets ADD KEY video_url (video_url), ALGORITHM=INPLACE, LOCK=NONE;
