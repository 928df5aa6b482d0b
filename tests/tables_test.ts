import assert from "node:assert/strict";
import { latexText, tableToLatex } from "../lib/report/write/latex.ts";
import { formatCell, percentColumn, spread, standings, type Table } from "../lib/report/table.ts";
import { tableToCsv } from "../lib/report/write/csv.ts";
import { tableToMarkdown } from "../lib/report/write/markdown.ts";

const table: Table = {
  id: "table_0",
  title: "Table 0. Runs",
  caption: "By ξ & d′.",
  notice: "mini profile: 50 % of it",
  columns: [
    { key: "run", name: "run" },
    { key: "xi", name: "ξ" },
    percentColumn("acc", "ACC", "GAN"),
    percentColumn("ap", "AP", "GAN"),
    { key: "time", name: "time", unit: "s", digits: 0, best: "min" },
  ],
  rows: [
    { run: "a|b", xi: 0.1, acc: 0.90149, ap: spread([0.9, 0.92]), time: 12.3 },
    { run: "c_d", xi: 0.2, acc: 0.90041, ap: 0.5, time: 11.6 },
    { run: "e", xi: 0.4, acc: 0.9014, ap: null, time: null },
  ],
};

Deno.test("standings() ranks by what is printed: equal print, equal rank", () => {
  assert.deepEqual(standings(table, table.columns[2]!), ["best", "second", "best"]);
  assert.deepEqual(standings(table, table.columns[3]!), ["best", "second", undefined]);
  assert.deepEqual(standings(table, table.columns[4]!), [undefined, undefined, undefined]);
  assert.deepEqual(standings(table, table.columns[0]!), [undefined, undefined, undefined]);
});

Deno.test("standings() ranks within rows of the same group where the table says so", () => {
  const rows = [1, 2, 3, 4].map((value) => ({ group: value < 3 ? "x" : "y", acc: value / 10 }));
  const grouped = { ...table, columns: [percentColumn("acc", "ACC")], rows, rankWithin: "group" };
  assert.deepEqual(standings(grouped, grouped.columns[0]!), ["second", "best", "second", "best"]);
});

Deno.test("tableToMarkdown() shows percent, units, spread, standing and the notice", () => {
  assert.equal(
    tableToMarkdown(table),
    `**Table 0. Runs**

*mini profile: 50 % of it*

By ξ & d′.

| run | ξ | GAN: ACC (%) | GAN: AP (%) | time (s) |
| :-- | --: | --: | --: | --: |
| a\\|b | 0.1 | **90.1** | **91.0 ± 1.4** | 12 |
| c_d | 0.2 | <u>90.0</u> | <u>50.0</u> | 12 |
| e | 0.4 | **90.1** | – | – |
`,
  );
});

Deno.test("tableToCsv() gives numbers as they are, spread in a column of its own", () => {
  assert.equal(
    tableToCsv(table),
    `run,xi,acc,ap,ap_deviation,time
a|b,0.1,0.90149,0.91,0.014142135623731,12.3
c_d,0.2,0.90041,0.5,,11.6
e,0.4,0.9014,,,
`,
  );
});

Deno.test("tableToLatex() is a booktabs table with groups, symbols in math mode and standing", () => {
  assert.equal(
    tableToLatex(table),
    String.raw`\begin{table}
  \centering
  \caption{Runs. By $\xi$ \& d$'$. \emph{mini profile: 50 \% of it.}}
  \label{tab:table_0}
  \begin{tabular}{lrrrr}
    \toprule
    \multicolumn{2}{c}{} & \multicolumn{2}{c}{GAN} &  \\
    \cmidrule(lr){3-4}
    run & $\xi$ & ACC (\%) & AP (\%) & time (s) \\
    \midrule
    a|b & 0.1 & \textbf{90.1} & \textbf{91.0 $\pm$ 1.4} & 12 \\
    c\_d & 0.2 & \underline{90.0} & \underline{50.0} & 12 \\
    e & 0.4 & \textbf{90.1} & -- & -- \\
    \bottomrule
  \end{tabular}
\end{table}
`,
  );
});

Deno.test("latexText() escapes every character that LaTeX reads otherwise", () => {
  assert.equal(
    latexText("\\{a}_b^c~$5&#"),
    String.raw`\textbackslash{}\{a\}\_b\textasciicircum{}c\textasciitilde{}\$5\&\#`,
  );
});

Deno.test("spread() is the mean and the sample's standard deviation, or the one value", () => {
  assert.equal(spread([]), null);
  assert.equal(spread([0.5]), 0.5);
  assert.deepEqual(spread([1, 2, 3]), { mean: 2, deviation: 1 });
  assert.equal(formatCell({ mean: 0.9, deviation: 0.01 }, percentColumn("a", "A")), "90.0 ± 1.0");
});

Deno.test("every text of a table is escaped for what it is written as", () => {
  const hostile: Table = {
    id: "table_0",
    title: "50 % & more",
    caption: "a_b #1.",
    notice: "not {ours} § 5",
    columns: [
      { key: "run", name: "run | x_y", group: "G & H" },
      { key: "text", name: "text", group: "G & H", unit: "$" },
    ],
    rows: [{ run: "a, b", text: 'say "so"' }, { run: "c\rd", text: "e\nf" }, {
      run: "g|h",
      text: "^",
    }],
  };
  const latex = tableToLatex(hostile).split("\n");
  assert.equal(
    latex[2],
    String.raw`  \caption{50 \% \& more. a\_b \#1. \emph{not \{ours\} \S 5.}}`,
  );
  assert.equal(latex[6], String.raw`    \multicolumn{2}{c}{G \& H} \\`);
  assert.equal(latex[7], String.raw`    \cmidrule(lr){1-2}`);
  assert.equal(latex[8], String.raw`    run | x\_y & text (\$) \\`);
  assert.ok(latex.includes(String.raw`    g|h & \textasciicircum{} \\`));
  const markdown = tableToMarkdown(hostile).split("\n");
  assert.equal(markdown[6], String.raw`| G & H: run \| x_y | G & H: text ($) |`);
  assert.ok(markdown.includes(String.raw`| g\|h | ^ |`));
  assert.equal(
    tableToCsv(hostile),
    'run,text\n"a, b","say ""so"""\n"c\rd","e\nf"\ng|h,^\n',
  );
});

Deno.test("the paper's symbols are LaTeX's, and no other character is changed", () => {
  assert.equal(
    latexText("ξ d′ ± × − – § ≤ é ö ="),
    String.raw`$\xi$ d$'$ $\pm$ $\times$ $-$ -- \S $\leq$ é ö =`,
  );
});

Deno.test("standings() takes the lowest for best where the column says so", () => {
  const rows = [3, 1, 2].map((time) => ({ run: "x", time }));
  assert.deepEqual(standings({ ...table, rows }, table.columns[4]!), [undefined, "best", "second"]);
});
