// A heading that holds what was typed comes before pages that merely have all its words, and what readers
// look for before the records of decisions and experiments, which are long and have every word.
var Scorer = {
  score: ([docname, title, anchor, descr, score, filename, kind]) =>
    score + (kind === "title" ? 1000 : 0) - (docname === "log" || docname.startsWith("adr/") ? 100 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
