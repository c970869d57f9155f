// Shows the storyboard of a generated video in two players, and compares the preview's pixels with what the video shows at that time.
//
//     node player.mjs POSTERFRAME FFMPEG
//
// Each second of the video has a colour of its own, and begins with a keyframe; each tile stands for one second. The pointer moves to times
// on the player's bar, and the picture that Chromium has painted there must have the colour of that second. The screenshots stay in the
// folder of this file. The server is on the loopback interface, and ends with the check.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { run, withBrowser } from "./common.mjs";

const ROOT = dirname(fileURLToPath(import.meta.url));
const [POSTERFRAME, FFMPEG] = process.argv.slice(2);
const SECONDS = 20;
const FRAMES_PER_SECOND = 10;
const [WIDTH, HEIGHT] = [320, 180];
// In the first second and the one before the last (Plyr never asks for the last second of a video), around the end of the first sheet, and at edges of tiles.
const TIMES = [0.2, 3.5, 6.9, 9.5, 10.5, 13.1, 18.7];
// JPEG and the conversion to 4:2:0 and back.
const TOLERANCE = 14;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".mp4": "video/mp4", ".vtt": "text/vtt", ".jpg": "image/jpeg" };

const colourOf = (second) => [20 + (second % 4) * 65, 20 + Math.floor(second / 4) * 50, 220 - (second % 5) * 45];

function makeVideo(path) {
  const frames = [];
  for (let frame = 0; frame < SECONDS * FRAMES_PER_SECOND; frame += 1) {
    const colour = Buffer.from(colourOf(Math.floor(frame / FRAMES_PER_SECOND)));
    frames.push(Buffer.alloc(WIDTH * HEIGHT * 3, colour));
  }
  const raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${WIDTH}x${HEIGHT}`, "-r", `${FRAMES_PER_SECOND}`, "-i", "-"];
  const coded = ["-c:v", "libx264", "-g", `${FRAMES_PER_SECOND}`, "-bf", "0", "-pix_fmt", "yuv420p", "-movflags", "+faststart"];
  run(FFMPEG, ["-v", "error", "-y", ...raw, ...coded, path], { input: Buffer.concat(frames) });
}

/** A server of the files here, with byte ranges. */
function serve() {
  const server = createServer((request, response) => {
    const path = join(ROOT, normalize(decodeURIComponent(new URL(request.url, "http://x").pathname)));
    const found = path.startsWith(ROOT) && statSync(path, { throwIfNoEntry: false });
    if (!found || !found.isFile()) {
      response.writeHead(404).end();
      return;
    }
    const headers = { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream", "Accept-Ranges": "bytes" };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const start = range ? Number(range[1]) : 0;
    const end = range && range[2] !== "" ? Math.min(Number(range[2]), found.size - 1) : found.size - 1;
    headers["Content-Length"] = end - start + 1;
    if (range) headers["Content-Range"] = `bytes ${start}-${end}/${found.size}`;
    response.writeHead(range ? 206 : 200, headers);
    createReadStream(path, { start, end }).on("error", () => response.destroy()).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** The colour in the middle of a rectangle of the page, as it is painted. */
async function paintedColour(page, { x, y, width, height }) {
  const clip = { x: x + width / 2 - 2, y: y + height / 2 - 2, width: 4, height: 4 };
  const png = await page.screenshot({ clip, encoding: "base64" });
  return page.evaluate(async (data) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return Array.from(context.getImageData(bitmap.width / 2, bitmap.height / 2, 1, 1).data.slice(0, 3));
  }, png);
}

const rectangleOf = (page, find) =>
  page.evaluate(`(() => { const found = ${find}; if (!found) return null; const { x, y, width, height } = found.getBoundingClientRect(); return { x, y, width, height }; })()`);

// Where a player has its bar and its preview.
const PLAYERS = {
  "media-chrome": {
    bar: `document.querySelector("media-time-range").shadowRoot.querySelector("#range")`,
    preview: `document.querySelector("media-time-range").shadowRoot.querySelector("media-preview-thumbnail")`,
    isReady: `document.querySelector("video").readyState >= 1 && document.querySelector("video").textTracks[0]?.cues?.length === ${SECONDS}`,
  },
  plyr: {
    bar: `document.querySelector(".plyr__progress")`,
    preview: `document.querySelector(".plyr__preview-thumb--is-shown .plyr__preview-thumb__image-container")`,
    isReady: `window.player?.previewThumbnails?.loaded && document.querySelector("video").readyState >= 1`,
  },
};

async function check(browser, base, name, record) {
  const player = PLAYERS[name];
  const page = await browser.newPage();
  await page.setViewport({ width: 760, height: 480 });
  page.on("pageerror", (error) => record(false, `${name}: ${error.message}`));
  await page.goto(`${base}/${name}.html`);
  await page.waitForFunction(player.isReady, { timeout: 20_000 });
  for (const time of TIMES) {
    // The bar appears with the pointer.
    const bar = await rectangleOf(page, player.bar);
    await page.mouse.move(bar.x + bar.width / 2, bar.y - 40);
    await page.mouse.move(bar.x + (bar.width * time) / SECONDS, bar.y + bar.height / 2, { steps: 4 });
    const expected = colourOf(Math.floor(time));
    let colour = null;
    // The picture of the sheet is fetched when the pointer is there.
    for (let attempt = 0; attempt < 40; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const preview = await rectangleOf(page, player.preview);
      if (!preview || preview.width < 20) continue;
      colour = await paintedColour(page, preview);
      if (colour.every((value, index) => Math.abs(value - expected[index]) <= TOLERANCE)) break;
    }
    const isRight = colour?.every((value, index) => Math.abs(value - expected[index]) <= TOLERANCE) ?? false;
    record(isRight, `${name} at ${time} s: expected ${expected}, painted ${colour}`);
    await page.screenshot({ path: join(ROOT, `${name}-${time}.png`) });
  }
  await page.close();
}

makeVideo(join(ROOT, "film.mp4"));
run(POSTERFRAME, ["storyboard", join(ROOT, "film.mp4"), "-o", join(ROOT, "storyboard"), "--every", "1", "--columns", "5", "--rows", "2"]);
const server = await serve();
// Players ask the style sheet for a mouse (`hover: hover`), which a machine without a screen does not have.
const mouse = "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4";
const names = Object.keys(PLAYERS);
await withBrowser(
  "player",
  TIMES.length * names.length,
  async (browser, record) => {
    for (const name of names) await check(browser, `http://127.0.0.1:${server.address().port}`, name, record);
  },
  [mouse],
);
server.closeAllConnections();
server.close();
