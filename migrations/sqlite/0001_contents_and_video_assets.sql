-- The two tables of the catalogue, with the same columns as in the MySQL database.

CREATE TABLE IF NOT EXISTS contents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title VARCHAR(255) NOT NULL,
    description TEXT,
    age_rating VARCHAR(10),
    like_count INT DEFAULT 0,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- Implements MySQL's ON UPDATE CURRENT_TIMESTAMP: sets updated_at when a row really changes, unless the statement sets
-- updated_at itself.
CREATE TRIGGER IF NOT EXISTS contents_updated_at AFTER UPDATE ON contents
WHEN NEW.updated_at IS OLD.updated_at
    AND (NEW.id, NEW.title, NEW.description, NEW.age_rating, NEW.like_count, NEW.created_at)
        IS NOT (OLD.id, OLD.title, OLD.description, OLD.age_rating, OLD.like_count, OLD.created_at)
BEGIN
    UPDATE contents SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;

CREATE TABLE IF NOT EXISTS video_assets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    content_id INT NOT NULL,
    video_url VARCHAR(500) NOT NULL,
    thumbnail_url VARCHAR(500) NOT NULL,
    duration INT NOT NULL, -- seconds
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (content_id) REFERENCES contents(id)
);

-- Videos are searched by URL, and by content as with MySQL's index of the foreign key. The indexes are not unique,
-- because an imported table may contain duplicates.
CREATE INDEX IF NOT EXISTS video_assets_video_url ON video_assets (video_url);
CREATE INDEX IF NOT EXISTS video_assets_content_id ON video_assets (content_id);
