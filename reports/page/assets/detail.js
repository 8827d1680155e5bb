// One problem opened: its texts, two answers side by side, and what tells them apart.

const REFERENCE = "reference solution";
const MOST_COLOURED = 20000; // characters: code that means harm takes Prism the square of its length
const MOST_COMPARED = 60000; // characters of both sides
const MOST_EDITS = 600; // lines that stand on one side alone: a comparison takes the square of these
const opened = { wanted: null, row: null, left: null, right: null, body: null, sample: { left: 1, right: 1 } };

/** Code as coloured text: Prism gives tokens, and every token becomes text, never markup. */
function colouredCode(code) {
  const pre = element("pre", { tabindex: "0" }, element("code"));
  const append = (parent, token) => {
    if (typeof token === "string") return parent.append(token);
    if (Array.isArray(token)) return token.forEach((part) => append(parent, part));
    const span = element("span", { class: `token ${token.type}` });
    append(span, token.content);
    return parent.append(span);
  };
  append(pre.firstChild, code.length < MOST_COLOURED ? Prism.tokenize(code, Prism.languages.python) : code);
  return pre;
}

function textBlock(text) {
  return element("pre", { class: "text", tabindex: "0" }, text);
}

function answerOn(which) {
  const [label, sample] = [opened[which], opened.sample[which]];
  return opened.body.answers.find((answer) => answer.model === label && answer.sample === sample) ?? null;
}

function codeOn(which) {
  if (opened[which] === REFERENCE) return opened.body.reference ?? "";
  return answerOn(which)?.record.extracted_solution ?? "";
}

/** What names a side: the model, and which of its answers where it gave several. */
function nameOf(which) {
  const label = opened[which];
  return overview.samples === 1 || label === REFERENCE ? label : `${label} (sample ${opened.sample[which]})`;
}

async function openProblem(row, place) {
  opened.wanted = row;
  const body = await unpackedBody(row).catch(() => null);
  if (opened.wanted !== row) return; // another one was asked for meanwhile
  opened.row = row;
  opened.body = body;
  opened.sample = { left: 1, right: models.length === 1 && overview.samples > 1 ? 2 : 1 };
  if (opened.left === null || place !== undefined) opened.left = models[place ?? 0].label;
  if (opened.right === null || opened.right === opened.left) {
    const other = models.find((model) => model.label !== opened.left)?.label;
    opened.right = other ?? (overview.samples > 1 ? opened.left : REFERENCE);
  }
  drawDetail();
  if (!byId("detail").open) byId("detail").showModal();
  byId("detail").scrollTop = 0;
  byId("detail-title").focus();
  history.replaceState(null, "", `#problem=${encodeURIComponent(problems.task_id[row])}`);
}

/** Open the problem that the address names, as in report.html#problem=json_3. */
function followLink() {
  const asked = location.hash.match(/^#problem=(.+)$/);
  if (!asked) return;
  const name = decoded(asked[1]);
  const row = problems.task_id.indexOf(name);
  if (row >= 0 && models.length) openProblem(row);
  else byId("found").textContent = `This session has no problem called ${name}.`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that nobody encoded
  }
}

function drawDetail() {
  const { row, body } = opened;
  byId("detail-title").textContent = `${problems.task_id[row]} · ${categories[problems.category[row]]}`;
  const place = state.rows.indexOf(row);
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place < 0 || place >= state.rows.length - 1;
  if (body === null) {
    const names = models.map((model) => `${model.label}: ${VERDICTS[shownLetter(model, row)].word}`);
    byId("detail-body").replaceChildren(
      element("p", {}, "This page does not hold the texts of this problem, or the browser (from before 2023) cannot "
        + "unpack them. They stand in the session's .jsonl files."),
      element("ul", {}, ...names.map((name) => element("li", {}, name))),
    );
    return;
  }
  byId("detail-body").replaceChildren(
    ...problemParts(body),
    ...answersTable(body),
    element("div", { class: "sides" }, side("left"), side("right")),
    ...differenceParts(),
  );
}

function problemParts(body) {
  const parts = [element("h3", {}, "Problem"), textBlock(body.problem || "(not kept: every call failed)")];
  if (body.prompt) {
    const { system, user, version, exact } = body.prompt;
    const said = exact
      ? `Prompt (version ${version})`
      : `Prompt as this program words it (the answers had version ${version || "unknown"})`;
    parts.push(fold(said, false, element("h3", {}, "System"), textBlock(system || "(none)"),
      element("h3", {}, "User"), textBlock(user)));
  }
  if (body.reference) parts.push(fold("Reference solution", false, colouredCode(body.reference)));
  return parts;
}

function side(which) {
  const labels = [...models.map((model) => model.label), ...(opened.body.reference ? [REFERENCE] : [])];
  const choice = element("select", { id: `choose-${which}`, "aria-label": `Solution on the ${which}` },
    ...labels.map((label) => element("option", { value: label, selected: label === opened[which] }, label)));
  choice.addEventListener("change", () => {
    opened[which] = choice.value;
    drawDetail();
    byId(`choose-${which}`).focus();
  });
  return element("section", { "aria-label": `Solution on the ${which}` }, choice, samplePager(which), ...answerParts(which));
}

/** Buttons that page through a model's answers to this problem; null where it gave one. */
function samplePager(which) {
  const label = opened[which];
  if (overview.samples === 1 || label === REFERENCE) return null;
  const turn = (text, name, step) => {
    const to = opened.sample[which] + step;
    const isOff = to < 1 || to > overview.samples;
    const button = element("button", { type: "button", id: `${name}-${which}`, disabled: isOff, "aria-label": `${name} sample` }, text);
    button.addEventListener("click", () => {
      opened.sample[which] = to;
      drawDetail();
      const again = byId(`${name}-${which}`);
      (again.disabled ? byId(`choose-${which}`) : again).focus();
    });
    return button;
  };
  const model = models.find((one) => one.label === label);
  const [good, counted] = isEvaluated ? passes(model, opened.row) : model.samples[opened.row];
  return element("p", { class: "samples" },
    turn("‹", "previous", -1),
    ` sample ${opened.sample[which]} of ${overview.samples} `,
    turn("›", "next", 1),
    ` – ${good} of ${counted} ${isEvaluated ? "passed" : "valid"}`);
}

function answerParts(which) {
  if (opened[which] === REFERENCE) return [colouredCode(opened.body.reference ?? "")];
  const answer = answerOn(which);
  if (!answer) return [element("p", {}, "Not done.")];
  const { record, file, letter } = answer;
  if ("error" in record) return failureParts(record);
  const parts = [
    element("p", { class: VERDICTS[letter].kind }, isEvaluated ? `Code: ${VERDICTS[letter].word}` : `${VERDICTS[letter].sign} ${VERDICTS[letter].word}`),
    ...testParts(answer.judged),
    element("h3", {}, "Extracted code"),
    record.extracted_solution ? colouredCode(record.extracted_solution) : element("p", {}, whyNoCode(record)),
    fold("Raw reply", !record.extracted_solution, textBlock(record.raw_response || "(empty)")),
  ];
  if (record.reasoning_text) parts.push(fold("Reasoning", false, textBlock(record.reasoning_text)));
  parts.push(fold("Validation", true, validationFacts(record)), fold("Timing, tokens and cost", true, callFacts(record, file)));
  return parts;
}

/** What is missing where a reply gave no code. */
function whyNoCode({ raw_response, finish_reason, extraction, name }) {
  if (extraction?.method === "gave_up") return "The reply was not read.";
  if (!raw_response.trim()) return "No code was found: the reply is empty.";
  if (finish_reason === "refusal") return "No code was found: the model refused.";
  return name ? `No code was found: none of it defines ${name}.` : "No code was found.";
}

function failureParts(record) {
  return [
    element("p", { class: "f" }, `! ${record.error}: ${record.message}`),
    element("ol", {}, ...record.attempts.map((attempt) => element("li", {},
      `${moment(attempt.started)}: ${attempt.error ?? "ok"} ${attempt.status ?? ""} after ${seconds(attempt.seconds)}`
      + (attempt.wait_seconds ? `, waited ${seconds(attempt.wait_seconds)} before` : "")
      + (attempt.message ? ` – ${attempt.message}` : "")))),
  ];
}

function validationFacts({ validation, extraction }) {
  const yes = (value) => (value === true ? "yes" : value === false ? "no" : null);
  const names = (value) => (Array.isArray(value) ? value : []); // other programs may have written it
  const [syntax, structure, imports] = ["syntax", "structure", "imports"].map((part) => validation[part] ?? {});
  return facts([
    ["Fully valid", yes(validation.is_fully_valid)],
    ["Parses", yes(syntax.is_valid)],
    ["Syntax error", syntax.error],
    ["Expected name", yes(structure.has_expected_name)],
    ["Found names", names(structure.found_names).join(", ")],
    ["Imports", [...names(imports.imports), ...names(imports.from_imports)].join(", ")],
    ["Lines", validation.line_count],
    ["Extraction", extraction && `${extraction.method}, candidates: ${extraction.candidates}`
      + (extraction.ambiguous ? ", ambiguous" : "") + (extraction.model ? `, by ${extraction.model}` : "")],
    ["Not read because", extraction && extraction.reason],
  ]);
}

function callFacts(record, file) {
  const { usage } = record;
  return facts([
    ["Answered", moment(record.timestamp)],
    ["Last attempt", seconds(record.execution_time)],
    ["Waited before", seconds(record.wait_time ?? 0)],
    ["Attempts", record.attempts ?? 1],
    ["Finish reason", record.finish_reason ?? "stop"],
    ["Tokens in", usage && `${number(usage.input_tokens)} (${number(usage.cached_tokens ?? 0)} cached)`],
    ["Tokens out", usage && `${number(usage.output_tokens)} (${number(usage.reasoning_tokens ?? 0)} reasoning)`],
    ["Cost", record.cost_usd === null || record.cost_usd === undefined ? "unknown" : `$${record.cost_usd.toFixed(6)}`],
    ["Model asked", record.requested_model],
    ["Model that answered", record.served_model],
    ["Request id", record.request_id],
    ["Parameters", JSON.stringify(record.parameters ?? {})],
    ["File", file],
  ]);
}

/** The lines of two texts in pairs: [what is left, what is right]; null where too much differs. */
function pairedLines(left, right) {
  const pairs = [];
  let removed = [];
  const flush = (added) => {
    for (let line = 0; line < Math.max(removed.length, added.length); line += 1) {
      pairs.push([removed[line] ?? null, added[line] ?? null]);
    }
    removed = [];
  };
  const parts = Diff.diffLines(left, right, { stripTrailingCr: true, maxEditLength: MOST_EDITS });
  if (!parts) return null;
  for (const part of parts) {
    const lines = part.value.replace(/\n$/, "").split("\n");
    if (part.removed) removed = lines;
    else if (part.added) flush(lines);
    else {
      flush([]);
      pairs.push(...lines.map((line) => [line, line]));
    }
  }
  flush([]);
  return pairs;
}

function differenceParts() {
  const [left, right] = [nameOf("left"), nameOf("right")];
  const heading = element("h3", {}, `Difference: ${left} and ${right}`);
  const [one, other] = [codeOn("left"), codeOn("right")];
  if (!one || !other) return [heading, element("p", {}, "There is no code on one of the sides.")];
  if (one === other) return [heading, element("p", {}, "The two are the same, letter for letter.")];
  const said = (text) => [heading, element("p", { id: "not-compared" }, text)];
  if (one.length + other.length > MOST_COMPARED) return said("The two are too long to compare here.");
  const pairs = pairedLines(`${one.trimEnd()}\n`, `${other.trimEnd()}\n`);
  if (!pairs) return said(`The two differ in more than ${MOST_EDITS} lines: that is too much to compare here.`);
  return [heading, differenceTable(left, right, pairs)];
}

function differenceTable(left, right, pairs) {
  const cells = (text, isChanged, sign, kind) => {
    const mark = isChanged && text !== null ? sign : "";
    const colour = mark ? kind : null;
    return [element("td", { class: colour }, mark), element("td", { class: colour }, text ?? "")];
  };
  return element(
    "table",
    { id: "difference" },
    element("caption", {}, `Lines of ${left} and ${right}; − stands only on the left, + only on the right`),
    element("colgroup", {}, element("col", { class: "mark" }), element("col"), element("col", { class: "mark" }), element("col")),
    element("thead", {}, element("tr", {}, element("th", { scope: "col", colspan: 2 }, left), element("th", { scope: "col", colspan: 2 }, right))),
    element("tbody", {}, ...pairs.map(([one, other]) =>
      element("tr", {}, ...cells(one, one !== other, "−", "removed"), ...cells(other, one !== other, "+", "added")))),
  );
}

function openNeighbour(step) {
  const row = state.rows[state.rows.indexOf(opened.row) + step];
  if (row !== undefined) openProblem(row);
}

function setUpDetail() {
  addEventListener("hashchange", followLink);
  byId("detail").addEventListener("close", () => history.replaceState(null, "", location.href.split("#")[0]));
  byId("close").addEventListener("click", () => byId("detail").close());
  byId("previous").addEventListener("click", () => openNeighbour(-1));
  byId("next").addEventListener("click", () => openNeighbour(1));
  byId("detail").addEventListener("keydown", (event) => {
    if (event.target.closest("select, pre")) return; // there the arrows have their own work
    if (event.key === "ArrowLeft") openNeighbour(-1);
    if (event.key === "ArrowRight") openNeighbour(1);
  });
}
