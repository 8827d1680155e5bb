// What became of every model's answers to one problem: a row each, with the first test that failed.

const MOST_IN_A_CELL = 160; // characters: the side below has the whole

const WORDY = new Set(["Verdict", "First failing test", "Expected", "What came"]);
const DETAILS = new Set(["Tests", "First failing test", "Expected", "What came", "Time", "Memory"]);

function clipped(text) {
  return text.length > MOST_IN_A_CELL ? `${text.slice(0, MOST_IN_A_CELL)}…` : text;
}

/** All answers there should be: [model, sample, answer or null]. */
function allAnswers(body) {
  const found = new Map(body.answers.map((answer) => [`${answer.sample} ${answer.model}`, answer]));
  const samples = Array.from({ length: overview.samples }, (_, place) => place + 1);
  return models.flatMap(({ label }) => samples.map((sample) => [label, sample, found.get(`${sample} ${label}`) ?? null]));
}

/** The word for an answer: what its tests came to, else whether its code is valid. */
function verdictOf(answer) {
  if (!answer) return VERDICTS["-"];
  const { letter, judged } = answer;
  if (!judged) return letter === "v" && isEvaluated ? VERDICTS.o : VERDICTS[letter];
  if (judged.verdict === "passed") return VERDICTS.p;
  if (judged.verdict === "not_run") return VERDICTS.q;
  return { ...VERDICTS.w, word: wordsOf(judged) };
}

/** A verdict of the evaluation in words, with its reason where there is one. */
function wordsOf({ verdict, reason }) {
  return (reason || verdict).replaceAll("_", " ");
}

/** The first test that failed: the test, what was expected and what came; null where none is known. */
function evidenceOf(judged) {
  if (!judged || judged.verdict === "passed") return null;
  const { failed_test: failed, decoys, detail } = judged;
  if (failed) return { test: failed.test, expected: failed.expected, came: failed.came || failed.text || wordsOf(judged), number: failed.number };
  if (decoys && decoys.evidence) return { test: decoys.evidence, expected: "a failure: the expected value is wrong on purpose", came: "passed" };
  return detail ? { test: "", expected: "", came: detail } : null;
}

function answersTable(body) {
  const rows = allAnswers(body);
  const hasSamples = overview.samples > 1;
  const headings = ["Model", ...(hasSamples ? ["Sample"] : []), "Verdict", ...(isEvaluated ? ["Tests", "First failing test", "Expected", "What came", "Time", "Memory"] : ["Answered in"]), "Show"];
  const table = element("table", { id: "answers" }, element("caption", {}, "Every answer to this problem"),
    element("thead", {}, element("tr", {}, ...headings.map((text) => element("th", { scope: "col", class: [WORDY.has(text) ? "words" : "", DETAILS.has(text) ? "detail" : "", text === "Sample" ? "sample" : ""].join(" ").trim() || null }, text)))),
    element("tbody", {}, ...rows.map((row, place) => answerRow(row, place, hasSamples))));
  return [
    element("h3", {}, "Answers"),
    element("div", { class: "scroll answers", tabindex: "0", role: "region", "aria-label": "Every answer to this problem" }, table),
  ];
}

function answerRow([label, sample, answer], place, hasSamples) {
  const { sign, word, kind } = verdictOf(answer);
  const judged = answer?.judged ?? null;
  const evidence = evidenceOf(judged) ?? { test: "", expected: "", came: "" };
  const code = (text) => element("td", { class: "code words detail" }, text ? element("code", {}, clipped(text)) : "");
  const answeredIn = answer && "execution_time" in answer.record ? seconds(answer.record.execution_time) : "–";
  const isFirst = sample === 1 && place > 0;
  return element("tr", { class: hasSamples && isFirst ? "next-model" : null },
    sample > 1 ? null : element("th", hasSamples ? { scope: "rowgroup", rowspan: overview.samples, title: label } : { scope: "row", title: label }, label),
    hasSamples ? element("td", { class: "sample" }, String(sample)) : null,
    element("td", { class: `words ${kind}` }, `${sign} ${word}`),
    ...(isEvaluated ? [
      element("td", { class: "detail" }, testCount(judged)),
      code(evidence.test),
      code(evidence.expected),
      code(evidence.came),
      element("td", { class: "detail" }, judged?.cpu_seconds ? worked(judged.cpu_seconds) : "–"),
      element("td", { class: "detail" }, judged?.peak_memory_mb ? `${Math.round(judged.peak_memory_mb)} MB` : "–"),
    ] : [element("td", {}, answeredIn)]),
    element("td", { class: "picks" }, pickButton("left", label, sample, place), pickButton("right", label, sample, place)));
}

function testCount(judged) {
  const isKnown = judged && typeof judged.passed_tests === "number" && judged.total_tests;
  return isKnown && judged.verdict !== "not_run" ? `${judged.passed_tests} of ${judged.total_tests}` : "–";
}

/** A button that puts an answer on a side; it is pressed where the answer stands there already. */
function pickButton(which, label, sample, place) {
  const isThere = opened[which] === label && opened.sample[which] === sample;
  const button = element("button", { type: "button", id: `pick-${which}-${place}`, "aria-pressed": String(isThere),
    "aria-label": `${label}${overview.samples > 1 ? `, sample ${sample}` : ""}: show on the ${which}` }, which);
  button.addEventListener("click", () => {
    opened[which] = label;
    opened.sample[which] = sample;
    drawDetail();
    byId(button.id).focus();
  });
  return button;
}

/** What the answer's tests came to, whole; nothing where they were not run. */
function testParts(judged) {
  if (!judged) return [];
  const { verdict, isolation, cpu_seconds, peak_memory_mb, output_tail } = judged;
  const kind = verdict === "passed" ? "v" : verdict === "not_run" ? "t" : "n";
  const because = judged.reason ? ` (${wordsOf(judged)})` : "";
  const counted = testCount(judged) === "–" ? "" : `, ${testCount(judged)} tests passed`;
  const time = typeof cpu_seconds === "number" && verdict !== "not_run" ? ` in ${worked(cpu_seconds)}` : "";
  const memory = peak_memory_mb ? `, ${Math.round(peak_memory_mb)} MB` : "";
  return [
    element("p", { class: kind }, `Tests: ${verdict.replace("_", " ")}${because}${counted}${time}${memory}`),
    ...(isolation === "none" ? [element("p", { class: "unsafe" }, "It ran without a sandbox.")] : []),
    ...evidenceParts(evidenceOf(judged)),
    ...(output_tail ? [fold("What it printed last", false, textBlock(output_tail))] : []),
  ];
}

function evidenceParts(evidence) {
  if (!evidence) return [];
  const { test, expected, came, number: place } = evidence;
  const part = (title, text) => (text ? [element("dt", {}, title), element("dd", {}, textBlock(text))] : []);
  return [element("dl", { class: "evidence" }, ...part(place ? `First failing test (number ${place})` : "Test", test),
    ...part("Expected", expected), ...part("What came", came))];
}
