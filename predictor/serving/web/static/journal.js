// Everything works without this file; it gives the day as the browser sees it.
"use strict";

{
  const now = new Date();
  const two = (number) => String(number).padStart(2, "0");
  const today = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  for (const field of document.querySelectorAll("input[name=today]")) field.value = today;
  for (const field of document.querySelectorAll("input[data-today]")) if (field.value === field.dataset.today) field.value = today;
  for (const field of document.querySelectorAll("input[data-latest]")) field.max = today;
}
