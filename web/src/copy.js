// A button beside everything that is there to be copied.

export function addCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const element of root.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.setAttribute("aria-label", `copy ${element.dataset.copy}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(element.dataset.copy);
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 1500);
    });
    element.append(button);
  }
}
