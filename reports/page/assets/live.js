// Puts the board on the page, and keeps it as the files are; nothing is asked for while nobody looks.

let lastEvent = board.name;
let events = null;

function draw(state) {
  drawHeader(state);
  drawRuns();
  drawBoards();
}

function listen() {
  if (document.hidden) {
    events?.close();
    events = null;
    return;
  }
  if (events) return;
  events = new EventSource(`/events?since=${encodeURIComponent(lastEvent)}`);
  events.addEventListener("message", ({ data, lastEventId }) => {
    lastEvent = lastEventId;
    take(JSON.parse(data));
    draw("");
    document.documentElement.dataset.event = lastEventId;
  });
  events.addEventListener("open", () => drawHeader(""));
  events.addEventListener("error", () => {
    drawHeader("not connected: is scripts/view.py still running?");
    if (events?.readyState === EventSource.CLOSED) { // it will not try again by itself
      events = null;
      setTimeout(listen, 5000);
    }
  });
}

byId("rule").textContent = RULE;
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("search").addEventListener("input", drawBoards);
byId("filters").addEventListener("change", drawBoards);
document.addEventListener("visibilitychange", listen);
take(board);
draw(board.is_whole ? "" : "still reading");
listen();
document.documentElement.dataset.readyMilliseconds = String(Math.round(performance.now()));
