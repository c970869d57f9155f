-- Optional: at most one row for a video, held by the database, and searches by URL that read an index, not the table.
--
-- Run it when the replaced Lambda is not to come back: that one would insert doubles, and fail on them now. While there are doubles
-- the statement fails (1062) and changes nothing; this lists them:
--
--   SELECT MIN(video_url), COUNT(*), GROUP_CONCAT(id) FROM video_assets
--   GROUP BY SHA2(video_url, 256) HAVING COUNT(*) > 1;
--
-- MySQL also refuses (1452) while there are rows whose content is not there:
--
--   SELECT v.id, v.content_id FROM video_assets v LEFT JOIN contents c ON c.id = v.content_id WHERE c.id IS NULL;
--
-- The key is on a hash of the URL's bytes: the collations that columns have by default hold `1_A` and `1_a` for equal.
-- The way back: ALTER TABLE video_assets DROP KEY video_url_once, DROP KEY video_url, DROP COLUMN video_url_sha256;
ALTER TABLE video_assets
    ADD COLUMN video_url_sha256 BINARY(32) GENERATED ALWAYS AS (UNHEX(SHA2(video_url, 256))) VIRTUAL,
    ADD UNIQUE KEY video_url_once (video_url_sha256),
    ADD KEY video_url (video_url);
