// The page of oneself: another picture, or none.

import { Problem, call, clearProblem, csrfToken, show } from "./api.js";

const picker = document.getElementById("picker");

async function replacePicture() {
  const form = new FormData();
  form.append("file", picker.files[0]);
  picker.value = ""; // Or a browser that fills forms in again after a reload would bring it once more.
  let response;
  try {
    response = await fetch("/api/auth/me/avatar", { method: "POST", headers: { "X-CSRFToken": csrfToken() }, credentials: "same-origin", body: form });
  } catch {
    throw new Problem("The server cannot be reached. Check the connection and try again.");
  }
  const data = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(data?.message ?? `The server answered ${response.status}. Try again.`);
}

function act(work) {
  clearProblem();
  work().then(() => location.reload(), show);
}

function take() {
  if (picker.files.length) act(replacePicture);
}

picker.addEventListener("change", take);
take(); // Chosen before this script was there.
document.getElementById("remove").addEventListener("click", () => act(() => call("/api/auth/me/avatar", { method: "DELETE" })));
