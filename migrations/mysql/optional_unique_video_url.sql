-- Optional: a unique key that allows at most one row per video. Searches by URL do not use this key;
-- optional_index_video_url.sql adds their index.
--
-- Add the key only when the replaced Lambda will not be used again, because that Lambda inserts duplicates and would
-- fail. Neither statement blocks reads or writes; a server without this ability refuses the statement.
--
-- If the table contains duplicates, the second statement fails (1062). Remove the duplicates, then run only the second
-- statement again. This query lists the duplicates:
--
--   SELECT MIN(video_url), COUNT(*), GROUP_CONCAT(id) FROM video_assets
--   GROUP BY SHA2(video_url, 256) HAVING COUNT(*) > 1;
--
-- The key is on a hash of the URL's bytes, because the default collations of columns treat `1_A` and `1_a` as equal.
--
-- To remove the key: ALTER TABLE video_assets DROP KEY video_url_once, DROP COLUMN video_url_sha256;
ALTER TABLE video_assets
    ADD COLUMN video_url_sha256 BINARY(32) GENERATED ALWAYS AS (UNHEX(SHA2(video_url, 256))) VIRTUAL,
    ALGORITHM=INPLACE, LOCK=NONE;
ALTER TABLE video_assets ADD UNIQUE KEY video_url_once (video_url_sha256), ALGORITHM=INPLACE, LOCK=NONE;
