// The point of a log that is shown, and the number of chosen rows.
const form = document.querySelector("[data-scrub]");
if (form) {
  const [slider, output] = [form.querySelector("input[type=range]"), form.querySelector("output")];
  slider.addEventListener("input", () => { output.textContent = `${slider.value} of ${slider.max}`; });
  slider.addEventListener("change", () => form.requestSubmit());
}

const words = document.getElementById("chosen");
if (words) {
  const all = words.textContent;
  const count = () => {
    const chosen = document.querySelectorAll('input[form="bulk"]:checked').length;
    words.textContent = chosen ? `${chosen} chosen:` : all;
  };
  addEventListener("change", count);
  addEventListener("pageshow", count);
}
