// Everything works without this file; it refreshes the progress of a training without a reload. The rate page also has rate.js.
"use strict";

const root = document.documentElement.dataset.root; // the prefix that a proxy serves us under
const byId = (id) => document.getElementById(id);

// The cookie tells the server the browser's time zone; fields that show the server's today get the browser's at once.
document.cookie = `predictor_zone=${-new Date().getTimezoneOffset()}; path=${root || "/"}; max-age=31536000; samesite=strict${location.protocol === "https:" ? "; secure" : ""}`;
for (const field of document.querySelectorAll("input[data-today]")) {
  const now = new Date();
  const here = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
  if (field.value === field.dataset.today) field.defaultValue = here;
}

function put(place, html) {
  const open = new Set([...place.querySelectorAll("details[open]")].map((details) => details.id));
  const known = new Set([...place.querySelectorAll("details")].map((details) => details.id));
  place.replaceChildren(document.createRange().createContextualFragment(html));
  for (const details of place.querySelectorAll("details")) if (known.has(details.id)) details.open = open.has(details.id);
}

async function fragment(address, options) {
  const request = fetch(address, { ...options, headers: { "X-Fragment": "1", Accept: "*/*" } });
  const answer = await request.catch(() => {
    throw new Error("the server cannot be reached");
  });
  if (answer.ok) return answer.text();
  if (answer.status === 401) throw new Error("you have been logged out; load this page again to log in");
  const refusal = await answer.json().catch(() => ({ error: `the server answered ${answer.status}`, problems: [] }));
  const first = refusal.problems[0] ?? {};
  throw new Error(first.field && first.field !== "csrf_token" ? `${first.field}: ${first.problem}` : refusal.error);
}

if (new URLSearchParams(location.search).get("notice") === "saved") { // see NOTICES in journal_pages.py
  // the rate page's draft is in the journal now
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(`predictor.draft${root}`) && JSON.parse(localStorage.getItem(key))?.sent) localStorage.removeItem(key);
    }
  } catch {
    // no drafts in this browser
  }
}

const training = byId("training");
if (training) {
  const poll = async () => {
    try {
      put(training, await fragment(`${root}/train/progress`));
    } catch {
      // the server may be busy; ask again later
    }
    if (training.querySelector("[data-running]")) setTimeout(poll, 1000);
  };
  if (training.querySelector("[data-running]")) setTimeout(poll, 500);
}

// A page with several forms saves one of them; what is typed in another would be lost without a word.
const typedIn = new Set();
document.addEventListener("input", (event) => event.target.form?.method === "post" && typedIn.add(event.target.form));
document.addEventListener("submit", (event) => typedIn.delete(event.target));
addEventListener("beforeunload", (event) => {
  typedIn.delete(byId("rate")); // it has a draft
  if (!typedIn.size) return;
  event.preventDefault();
  event.returnValue = ""; // what older browsers look at
});
