-- Optional: an index on video URLs. Searches by URL then read the index instead of the whole table.
--
-- You can add the index at any time, while this program and the replaced Lambda write. The server builds the index
-- beside the table and blocks neither reads nor writes. A server without this ability refuses the statement
-- (ALGORITHM=INPLACE, LOCK=NONE: "Online DDL Operations" in the MySQL manual, "InnoDB Online DDL Overview" in MariaDB's
-- documentation).
--
-- To remove the index: ALTER TABLE video_assets DROP KEY video_url, ALGORITHM=INPLACE, LOCK=NONE;
ALTER TABLE video_assets ADD KEY video_url (video_url), ALGORITHM=INPLACE, LOCK=NONE;
