// What the checks in this folder share: programs, the browser, and the result.

import { spawnSync } from "node:child_process";
import puppeteer from "puppeteer-core";

/** Runs a program and returns its standard output. Exit codes other than those in `expected` are errors. */
export function run(program, args, { input, env, expected = [0] } = {}) {
  const done = spawnSync(program, args, { input, env, maxBuffer: 1 << 26 });
  if (done.error || !expected.includes(done.status)) {
    throw new Error(`${program} ${args.join(" ")}: ${done.error ?? done.stderr}`);
  }
  return done.stdout;
}

/**
 * Calls `check` with a browser and a function that records one result. Sets the exit code: 0 if exactly `expected` results were recorded
 * and all are true.
 */
export async function withBrowser(name, expected, check, options = []) {
  const counts = { passed: 0, failed: 0 };
  const record = (isRight, text) => {
    counts[isRight ? "passed" : "failed"] += 1;
    console.log(`${name}: ${isRight ? "" : "FAILED: "}${text}`);
  };
  // Chromium's own sandbox does not run as root.
  const args = process.getuid() === 0 ? ["--no-sandbox", ...options] : options;
  let browser;
  try {
    browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args });
    await check(browser, record);
  } catch (error) {
    record(false, error.stack);
  } finally {
    await browser?.close();
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed === 0 && counts.passed === expected ? 0 : 1;
}
