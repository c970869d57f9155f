-- Optional: at most one row for each video, enforced by the database. Searches by URL do not use this key: optional_index_video_url.sql has
-- their index.
--
-- Run it when the replaced Lambda is not to come back: that one inserts duplicates, and would fail. Neither statement blocks reads or writes;
-- a server that cannot do that refuses it.
--
-- While there are duplicates the second statement fails (1062). Remove them, then run the second statement alone. This lists them:
--
--   SELECT MIN(video_url), COUNT(*), GROUP_CONCAT(id) FROM video_assets
--   GROUP BY SHA2(video_url, 256) HAVING COUNT(*) > 1;
--
-- The key is on a hash of the URL's bytes: the collations that columns have by default take `1_A` and `1_a` for equal.
--
-- Undo it: ALTER TABLE video_assets DROP KEY video_url_once, DROP COLUMN video_url_sha256;
ALTER TABLE video_assets
    ADD COLUMN video_url_sha256 BINARY(32) GENERATED ALWAYS AS (UNHEX(SHA2(video_url, 256))) VIRTUAL,
    ALGORITHM=INPLACE, LOCK=NONE;
ALTER TABLE video_assets ADD UNIQUE KEY video_url_once (video_url_sha256), ALGORITHM=INPLACE, LOCK=NONE;
