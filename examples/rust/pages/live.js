// Both pages: what the buttons do, and what the server's stream of orders changes.

const STEPS = ["Paid", "Picked up", "Delivered", "Completed"];
const SAYS = {
  Created: "Your payment is being taken.",
  Paid: "Paid. A driver is on the way to us.",
  "Picked up": "Picked up. A driver is on the way to you.",
  Delivered: "Delivered. Enjoy your meal!",
  Completed: "How was it?",
  Declined: "Your card was declined.",
  Rejected: "This order could not be taken.",
  Refunded: "Nobody picked it up in time. You have your money back.",
};
const POSSIBLE = { Paid: "pick-up", "Picked up": "deliver" };

const page = document.body.dataset.page;
const find = (id) => document.getElementById(id);
const copy = (id) => find(id).content.firstElementChild.cloneNode(true);
const euros = (cents) => new Intl.NumberFormat("en", { style: "currency", currency: "EUR" }).format(cents / 100);

async function send(path, body) {
  const headers = { "content-type": "application/json" };
  const problem = find("problem");
  try {
    const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? null) });
    if (!reply.ok) throw new Error((await reply.text()) || reply.statusText);
    problem.hidden = true;
    return reply.status === 204 ? null : await reply.json();
  } catch (error) {
    problem.textContent = `That did not work: ${error.message}`;
    problem.hidden = false;
    return null;
  }
}

// Not `disabled`: that would take the focus away.
async function busy(button, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  await work();
  button.ariaBusy = "false";
}

// A customer's own orders; the browser remembers which they are.
const mine = new Set(JSON.parse(localStorage.getItem("orders") ?? "[]"));
let latest = [];

function dish({ name, about, price_cents }) {
  const card = copy("dish");
  card.querySelector("h3").textContent = name;
  card.querySelector("p").textContent = about;
  card.querySelector(".price").textContent = euros(price_cents);
  const button = card.querySelector("button");
  button.setAttribute("aria-label", `Order ${name}`);
  button.onclick = () => busy(button, async () => {
    const ticket = await send("/orders", { dish: name });
    if (!ticket) return;
    mine.add(ticket.id);
    localStorage.setItem("orders", JSON.stringify([...mine]));
    show(latest);
  });
  return card;
}

function line({ id, dish, price_cents }) {
  const item = copy("order");
  item.dataset.id = id;
  item.tabIndex = -1;
  item.querySelector("h3").textContent = dish;
  item.querySelector("p").textContent = `${id} · ${euros(price_cents)}`;
  for (const button of item.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.textContent} ${id}`);
    button.onclick = () => busy(button, () => send(`/orders/${encodeURIComponent(id)}/${button.dataset.step}`));
  }
  return item;
}

function update(item, { status }) {
  if (item.dataset.status === status) return;
  const focused = item.contains(document.activeElement);
  item.dataset.status = status;
  item.querySelector(".status").textContent = status;
  item.querySelectorAll(".steps li").forEach((step, at) => step.classList.toggle("done", STEPS.indexOf(status) >= at));
  for (const button of item.querySelectorAll("button")) button.hidden = POSSIBLE[status] !== button.dataset.step;
  // Who works by keyboard goes on with the next step of this order.
  if (focused) (item.querySelector("button:not([hidden])") ?? item).focus();
  const says = item.querySelector(".says");
  if (says) says.textContent = SAYS[status] ?? "";
}

// Items stay the same elements, so that focus and screen readers stay where they are.
function show(orders) {
  latest = orders;
  const list = find("orders");
  const shown = page === "menu" ? orders.filter((order) => mine.has(order.id)) : orders;
  const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
  shown.forEach((order, at) => {
    const item = known.get(order.id) ?? line(order);
    known.delete(order.id);
    update(item, order);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  known.forEach((item) => item.remove());
  find("empty").hidden = shown.length > 0;
}

if (page === "menu") {
  const menu = await (await fetch("/menu")).json();
  find("menu").replaceChildren(...menu.map(dish));
}
const events = new EventSource("/events");
events.onopen = () => { find("connection").hidden = true; };
events.onerror = () => { find("connection").hidden = false; };
events.onmessage = (event) => show(JSON.parse(event.data));
