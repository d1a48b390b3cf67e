// Enhances the settings form, which works without JavaScript, too.
"use strict";

// Hides and disables fields that do not apply under the present choices, so that they keep their stored values.
function showWhatCounts() {
  for (const field of document.querySelectorAll("[data-show-if]")) {
    const wanted = Object.entries(JSON.parse(field.dataset.showIf));
    const counts = wanted.every(([name, value]) => valueOf(name) === value);
    field.hidden = !counts;
    if (!field.hasAttribute("data-locked")) field.disabled = !counts;
  }
  for (const words of document.querySelectorAll(".only")) words.hidden = true;
}

function valueOf(name) {
  const input = document.getElementById(name);
  if (!input) return undefined;
  return input.type === "checkbox" ? input.checked : input.value;
}

// After an error htmx replaces only the messages: mark the inputs as invalid, and focus the summary.
function markWhatIsWrong() {
  for (const error of document.querySelectorAll(".error")) {
    const input = document.getElementById(error.id.replace(/^error-/, ""));
    if (!input || !("name" in input)) continue;
    if (error.textContent.trim()) {
      input.setAttribute("aria-invalid", "true");
      const folded = input.closest("details");
      if (folded) folded.open = true;
    } else input.removeAttribute("aria-invalid");
  }
  const summary = document.querySelector("#summary [role=alert]");
  if (summary) {
    summary.focus();
    summary.scrollIntoView({ block: "center" });
  }
}

document.addEventListener("change", showWhatCounts);
document.addEventListener("DOMContentLoaded", () => {
  showWhatCounts();
  if (document.querySelector("#summary [role=alert]")) markWhatIsWrong();
});
document.addEventListener("htmx:after:swap", () => {
  if (document.querySelector("#summary")) markWhatIsWrong();
});
