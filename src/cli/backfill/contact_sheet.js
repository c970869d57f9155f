const filter = document.getElementById("filter");
const entries = document.querySelectorAll("[data-key]");
filter.hidden = false;
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const entry of entries) {
    const key = entry.dataset.key.toLowerCase();
    entry.hidden = !words.every((word) => key.includes(word));
  }
});
