// Shows the contact sheet of a back-fill in headless Chromium: `make contact-sheet`.
//
//     node contact_sheet.mjs POSTERFRAME FFMPEG
//
// The check processes a folder of generated videos with names that are hard to sort, to escape or to show, then looks at the page as a
// person does: in light and dark, on a narrow screen, with the filter, without scripts. The screenshots stay in the folder of this file.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run, withBrowser } from "./common.mjs";

const ROOT = dirname(fileURLToPath(import.meta.url));
const [POSTERFRAME, FFMPEG] = process.argv.slice(2);
// In natural order. The sizes are width, height.
const VIDEOS = [
  ["videos/2_harbour.mp4", 640, 360],
  ["videos/9_street.mp4", 640, 360],
  ["videos/10_upright.mp4", 360, 640],
  ["videos/11_<b>bold & \"quoted\".mp4", 320, 240],
  ["videos/12_봄나들이 영상.mp4", 640, 270],
  [`videos/13_${"a_very_long_name_".repeat(8)}.mp4`, 640, 360],
  ["videos/sub/1_inside.mp4", 640, 360],
];
const BROKEN = "videos/14_broken.mp4";
// WCAG 2.2, success criterion 1.4.3.
const LEAST_CONTRAST = 4.5;

function makeFolder(folder) {
  mkdirSync(join(folder, "videos/sub"), { recursive: true });
  for (const [index, [name, width, height]] of VIDEOS.entries()) {
    const zoom = `mandelbrot=s=${width}x${height}:rate=10:start_scale=${2 / (index + 1)}:end_pts=200`;
    run(FFMPEG, ["-v", "error", "-y", "-f", "lavfi", "-i", zoom, "-t", "6", "-c:v", "libx264", "-pix_fmt", "yuv420p", join(folder, name)]);
  }
  writeFileSync(join(folder, BROKEN), "this is not a video");
}

/** The lowest contrast between a text and the nearest background behind it, with the text (WCAG 2.2, "contrast ratio"). */
const lowestContrast = () => {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if ((colour[3] ?? 1) > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  let lowest = { ratio: Infinity };
  for (const element of document.querySelectorAll("h1, h2, p, b, small, li, td, th, code, time")) {
    if (!element.textContent.trim()) continue;
    const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text: element.textContent.trim().slice(0, 40) };
  }
  return lowest;
};

const shownKeys = () =>
  [...document.querySelectorAll("figure")].filter((figure) => figure.getBoundingClientRect().height > 0).map((figure) => figure.dataset.key);

async function check(browser, record, address) {
  const page = await browser.newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => record(false, `script error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && record(false, `console: ${message.text()}`));
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(address);
  const shows = async (keys, text) => {
    const shown = await page.evaluate(shownKeys);
    record(JSON.stringify(shown) === JSON.stringify(keys), `${text}: ${shown.length} of ${VIDEOS.length} thumbnails`);
  };

  const keys = VIDEOS.map(([name]) => name);
  await shows(keys, "all thumbnails in natural order");
  const outside = requests.filter((url) => url !== address && !url.startsWith("data:"));
  record(outside.length === 0, `requests to other addresses: ${outside.length}`);
  const shapes = await page.evaluate(() => [...document.images].map((image) => image.naturalWidth / image.naturalHeight));
  const areRight = shapes.length === VIDEOS.length && shapes.every((shape, index) => Math.abs(shape / (VIDEOS[index][1] / VIDEOS[index][2]) - 1) < 0.02);
  record(areRight, `shapes of the pictures: ${shapes.map((shape) => shape.toFixed(2)).join(", ")}`);
  const boxes = await page.evaluate(() => [...document.querySelectorAll("figure > div")].map((box) => box.clientWidth / box.clientHeight));
  record(boxes.every((shape) => Math.abs(shape / (16 / 9) - 1) < 0.02), `every picture has a box of 16:9: ${boxes.map((shape) => shape.toFixed(2)).join(", ")}`);
  const failures = await page.evaluate(() => [...document.querySelectorAll("tr[data-key]")].map((row) => row.innerText));
  record(failures.length === 1 && failures[0].includes(BROKEN) && failures[0].includes("malformed"), `failures: ${failures.join("; ")}`);
  record((await page.$("figcaption b b")) === null, "a name with markup is shown as text");

  for (const scheme of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    const { ratio, text } = await page.evaluate(lowestContrast);
    record(ratio >= LEAST_CONTRAST, `${scheme}: lowest contrast ${ratio.toFixed(2)} ("${text}")`);
    await page.screenshot({ path: join(ROOT, `contact-sheet-${scheme}.png`) });
  }

  await page.type("#filter", "VIDEOS/1 봄나");
  await shows(["videos/12_봄나들이 영상.mp4"], "the filter needs all words, in any case");
  await page.$eval("#filter", (input) => {
    input.value = "";
    input.dispatchEvent(new Event("input"));
  });
  await shows(keys, "an empty filter shows all");

  await page.setViewport({ width: 360, height: 740 });
  const cell = await page.$eval("td", (cell) => cell.clientWidth);
  record(cell > 300, `360 px wide: a cell of the failures is ${cell} px wide`);
  const [wanted, given] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  record(wanted <= given, `360 px wide: the page needs ${wanted} px`);
  await page.screenshot({ path: join(ROOT, "contact-sheet-narrow.png") });

  await page.setJavaScriptEnabled(false);
  await page.goto(address);
  const filter = await page.$eval("#filter", (input) => input.hidden);
  await shows(keys, "without scripts");
  record(filter, "without scripts the filter is hidden");
}

const folder = mkdtempSync(join(tmpdir(), "contact-sheet-"));
try {
  makeFolder(folder);
  const sheet = join(ROOT, "contact-sheet.html");
  // Exit code 6: some videos failed.
  run(POSTERFRAME, ["backfill", folder, "--json", "--journal", join(folder, "journal"), "--contact-sheet", sheet], { env: {}, expected: [6] });
  await withBrowser("contact-sheet", 14, (browser, record) => check(browser, record, pathToFileURL(sheet).href));
} finally {
  rmSync(folder, { recursive: true });
}
