for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try { await navigator.clipboard.writeText(text); button.textContent = "copied"; }
    catch { getSelection().selectAllChildren(document.getElementById(button.dataset.copy)); }
  });
}
const find = document.getElementById("find");
if (find) find.addEventListener("input", () => {
  const wanted = find.value.toLowerCase();
  for (const lane of document.querySelectorAll("details.lane"))
    lane.hidden = !lane.textContent.toLowerCase().includes(wanted);
});
