// Estimates of a model from its tables: what predictor/model/evaluator.py and partial.py compute, for one interview.
//
// `evaluator(model)` returns a function from values to an answer. Values are ratings in the model's order, then the
// coded inputs; null is "not rated". Each value has weights on the cells of its term, and what was not rated has the
// probabilities of its cells, given what was; README.md in predictor/ gives the reasons. In Python, `allRated` is a part
// of Evaluator.one, `partial` PartialTables.reasons, `logOddsPerUnit` _log_odds_per_unit, `slopesGiven` PartialTables.given,
// `shrinkageOf` shrinkage, `weightsOf` Completion.weights, `probabilitiesOf` a part of Completion.fill; other names agree.
"use strict";

const REACH = 4, PER_UNIT = 8, POINTS = 2 * REACH * PER_UNIT + 1, LOGISTIC = 1.702, RARE = 1e-6, NEGLIGIBLE_EXPECTATION = 1e-12;

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const dot = (a, b) => a.reduce((total, number, i) => total + number * b[i], 0);
const logit = (share) => Math.log(share / (1 - share));
const probability = (logOdds) => 1 / (1 + Math.exp(-Math.max(logOdds, -700)));
const times = (matrix, vector) => matrix.map((row) => dot(row, vector));
const zeros = (n) => new Array(n).fill(0);
const range = (n) => [...Array(n).keys()];

function inverse(matrix) {
  const n = matrix.length, rows = matrix.map((row, i) => [...row, ...range(n).map((j) => Number(i === j))]);
  for (let i = 0; i < n; i++) {
    const pivot = range(n - i).map((k) => i + k).reduce((best, k) => (Math.abs(rows[k][i]) > Math.abs(rows[best][i]) ? k : best));
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    rows[i] = rows[i].map((x) => x / rows[i][i]);
    for (let k = 0; k < n; k++) {
      const by = rows[k][i];
      if (k !== i && by) rows[k] = rows[k].map((x, j) => x - by * rows[i][j]);
    }
  }
  return rows.map((row) => row.slice(n));
}

// Grid: knots of each term, then a cell for "not applicable" if the term has one, then one for "not rated".
function grid(terms) {
  const offsets = [0];
  for (const term of terms) offsets.push(offsets[offsets.length - 1] + term.levels + term.apart + 1);
  const position = (value, { low, step, levels, uneven }) => {
    if (!uneven) return (value - low) / step;
    const above = uneven.findIndex((knot) => knot >= value);
    if (above <= 0) return above ? levels - 1 : 0;
    return above - 1 + (value - uneven[above - 1]) / (uneven[above] - uneven[above - 1]);
  };
  const isOutside = (value, { low, step, apart }) => Boolean(apart) && value === low - step;
  function place(value, term) {
    if (value === null) return [term.levels + term.apart, 0];
    if (isOutside(value, term)) return [term.levels, 0];
    const at = Math.min(Math.max(position(value, term), 0), term.levels - 1), lower = Math.min(Math.floor(at), term.levels - 2);
    return [lower, at - lower];
  }
  function weights(values) {
    const cells = zeros(offsets[terms.length]);
    terms.forEach((term, t) => {
      const [lower, fraction] = place(values[t], term);
      cells[offsets[t] + lower] = 1 - fraction;
      if (fraction) cells[offsets[t] + lower + 1] += fraction;
    });
    return cells;
  }
  return { offsets, position, isOutside, weights, span: (numbers, t) => numbers.slice(offsets[t], offsets[t + 1]) };
}

// A table of two or three terms at cell weights of each.
function product(table, parts) {
  let values = table;
  for (const along of [...parts].reverse()) {
    const rows = values.length / along.length;
    values = range(rows).map((i) => dot(values.slice(i * along.length, (i + 1) * along.length), along));
  }
  return values[0];
}
const joint = (tables, cells, span) => tables.map(([members, table]) => [members, product(table, members.map((t) => span(cells, t)))]);

function evaluator(model) {
  const { terms, p, factors: f, gaps, masked } = model, at = grid(terms), signals = range(p), hasFactors = Boolean(f);
  const ofSignals = at.offsets[p], total = at.offsets[terms.length];

  function contributions(cells) {
    const added = terms.map((_, t) => dot(at.span(model.main, t), at.span(cells, t)));
    for (const [members, value] of joint(model.joint, cells, at.span)) for (const t of members) added[t] += value / members.length;
    return added;
  }

  // -- the factor model: what rated signals suggest about the others ----------------------------------------------
  const weighted = hasFactors && f.loadings.map((row, j) => row.map((x) => x / f.unique[j]));
  const communality = hasFactors && f.loadings.map((row) => dot(row, row));
  const gapsOf = (unrated) => sum(unrated.map(Number)) / p;
  const fade = (share, mean, most) => {
    const width = Math.max(most - mean, 1e-9);
    return Math.min(Math.max((most + width - share) / width, 0), 1);
  };
  const gapsOffset = (share) => -gaps.slope * gaps.mean * fade(share, gaps.mean, gaps.most);
  const gapsAdded = (share) => gaps.slope * Math.min(share, gaps.most) * fade(share, gaps.mean, gaps.most);

  function posterior(rated) {
    const k = f.loadings[0].length, precision = range(k).map((a) => range(k).map((b) => Number(a === b)));
    const add = (loadings, weights) => loadings.forEach((x, a) => weights.forEach((y, b) => { precision[a][b] += x * y; }));
    if (f.left_out) add(f.left_out.loadings, f.left_out.loadings.map((x) => x / f.left_out.unique));
    for (const j of signals) if (rated[j]) add(f.loadings[j], weighted[j]);
    return inverse(precision);
  }

  function weightsOf(rated, covariance) {
    const rows = (from, by) => f.loadings.map((row) => { const common = times(by, row); return signals.map((i) => (from[i] ? dot(common, weighted[i]) : 0)); });
    let weights = rows(rated, covariance);
    if (!f.bound) return weights;
    const free = f.directions.map((direction) => direction === 0);
    if (free.some(Boolean)) { // estimated from each other alone
      const others = rated.map((is, i) => is && free[i]), own = rows(others, posterior(others));
      weights = weights.map((row, j) => (free[j] ? own[j] : row));
    }
    return weights.map((row, j) => row.map((weight, i) => {
      const sign = f.directions[i] * f.directions[j];
      return sign > 0 ? Math.max(weight, 0) : sign < 0 ? Math.min(weight, 0) : weight;
    }));
  }

  function estimate(values) {
    const unrated = signals.map((j) => values[j] === null);
    const rated = signals.map((j) => !unrated[j] && !at.isOutside(values[j], terms[j]));
    const z = signals.map((j) => (rated[j] ? (at.position(values[j], terms[j]) - f.mean[j]) / f.sd[j] : 0));
    const covariance = posterior(rated), weights = weightsOf(rated, covariance);
    let byGaps = zeros(p);
    if (f.left_out) {
      const { loadings, unique, mean, sd, most } = f.left_out, gap = gapsOf(unrated);
      const share = fade(gap, mean, most) * (Math.min(gap, most) - mean) / sd;
      const common = times(covariance, loadings.map((x) => x / unique));
      byGaps = f.loadings.map((row) => share * dot(row, common));
    }
    const expected = weights.map((row, j) => dot(row, z) + byGaps[j]);
    const relativeVariance = f.loadings.map((row, j) => dot(times(covariance, row), row) / communality[j]);
    return { unrated, z, covariance, weights, byGaps, expected, relativeVariance };
  }

  // Probabilities of each level by what is expected of its signal: for known common factors, and for unknown ones.
  const cellProbabilities = hasFactors && signals.map((j) => {
    const shares = f.shares[j], all = communality[j] + f.unique[j], bounds = [];
    const middle = sum(shares.map((share, level) => share * (level - f.mean[j]))) / f.sd[j];
    for (let level = 0, below = 0; level < shares.length - 1; level++) {
      below += shares[level];
      const share = Math.min(Math.max(below, RARE), 1 - RARE);
      bounds.push(middle + (Math.log(share / (1 - share)) / LOGISTIC) * Math.sqrt(all));
    }
    return [f.unique[j], all].map((variance) => range(POINTS).map((point) => {
      const edges = bounds.map((bound) => 1 / (1 + Math.exp((-LOGISTIC * (bound - (point / PER_UNIT - REACH))) / Math.sqrt(variance))));
      return shares.map((_, level) => (level < edges.length ? edges[level] : 1) - (level ? edges[level - 1] : 0));
    }));
  });

  function probabilitiesOf(j, expected, relativeVariance) {
    const place = Math.min(Math.max((expected + REACH) * PER_UNIT, 0), POINTS - 1), lower = Math.min(Math.floor(place), POINTS - 2);
    const [near, far] = cellProbabilities[j].map((points) => points[lower].map((x, level) => x + (place - lower) * (points[lower + 1][level] - x)));
    return near.map((x, level) => x + relativeVariance * (far[level] - x));
  }

  // How probabilities rise from where nothing is expected, for each standard unit: up to the next point it is the slope.
  function probabilitySlopes(j, expected, relativeVariance) {
    const middle = REACH * PER_UNIT, place = Math.min(Math.max((expected + REACH) * PER_UNIT, 0), POINTS - 1), lower = Math.min(Math.floor(place), POINTS - 2);
    const [known, unknown] = cellProbabilities[j].map((points) => points[lower].map((near, level) => {
      const step = points[lower + 1][level] - near;
      if (lower < middle - 1 || lower > middle) return (near - points[middle][level] + (place - lower) * step) / expected;
      return PER_UNIT * (Math.abs(expected) < NEGLIGIBLE_EXPECTATION ? (points[middle + 1][level] - points[middle - 1][level]) / 2 : step);
    }));
    return known.map((x, level) => x + relativeVariance * (unknown[level] - x));
  }

  // What unrated signals add for each standard unit expected of them; those of one table share it by the mean on the way.
  function logOddsPerUnit(cells, { unrated, expected, relativeVariance }) {
    const slopes = zeros(total), moved = zeros(total);
    for (const j of signals) {
      if (!unrated[j]) continue;
      probabilitySlopes(j, expected[j], relativeVariance[j]).forEach((slope, level) => {
        slopes[at.offsets[j] + level] = slope;
        moved[at.offsets[j] + level] = slope * expected[j];
      });
    }
    const mean = cells.map((x, cell) => x - moved[cell] / 2);
    const added = signals.map((j) => dot(at.span(model.main, j), at.span(slopes, j)));
    for (const [members, table] of model.joint) {
      const moving = members.filter((t) => t < p && unrated[t]).length;
      for (const t of members) {
        if (t >= p || !unrated[t]) continue;
        const along = (others) => product(table, members.map((member) => at.span(member === t ? slopes : others, member)));
        added[t] += members.length === 2 ? (moving / 2) * along(mean) : (moving / 3) * (along(mean) + along(moved) / 12);
      }
    }
    return added;
  }

  function fill(raw, values, { unrated, relativeVariance }, expected) {
    const cells = [...raw];
    const put = (t, shares) => range(at.offsets[t + 1] - at.offsets[t]).forEach((i) => { cells[at.offsets[t] + i] = shares[i] ?? 0; });
    for (const j of signals) if (unrated[j]) put(j, probabilitiesOf(j, expected[j], relativeVariance[j]));
    for (let t = p; t < terms.length; t++) if (values[t] === null) put(t, f.shares[t]);
    return cells;
  }

  // -- how sure it is ---------------------------------------------------------------------------------------------
  const rank = model.start.length;
  const vectors = range(total).map((cell) => model.vectors.slice(cell * rank, (cell + 1) * rank));
  // A line through a table of numbers by level, in standard units: mean, slope, and what the slope leaves.
  const units = hasFactors && signals.map((j) => {
    const shares = f.shares[j], raw = shares.map((_, level) => (level - f.mean[j]) / f.sd[j]), mean = dot(shares, raw);
    const z = raw.map((x) => x - mean);
    return { shares, z, square: dot(shares, z.map((x) => x * x)) || 1 };
  });
  const lines = hasFactors && signals.map((j) => {
    const { shares, z, square } = units[j], inside = shares.map((_, level) => at.offsets[j] + level);
    const along = (by) => range(rank).map((r) => sum(inside.map((cell, level) => by[level] * vectors[cell][r])));
    return {
      mean: along(shares),
      slope: along(shares.map((share, level) => share * z[level])).map((x) => x / square),
      own: dot(shares, inside.map((cell) => model.variances[cell])),
    };
  });

  function slopesGiven(values) { // of each signal's table, with its pairs with inputs at what these are
    const nothing = zeros(p).fill(null), atInputs = [...nothing, ...values.slice(p)];
    const cells = fill(at.weights(atInputs), atInputs, estimate(nothing), zeros(p));
    const tables = model.main.slice(0, ofSignals);
    for (const [members, table] of model.joint) {
      if (members.length !== 2) continue;
      const [a, b] = members, width = at.offsets[b + 1] - at.offsets[b], height = at.offsets[a + 1] - at.offsets[a];
      if (a < p && b >= p) {
        for (let i = 0; i < height; i++) tables[at.offsets[a] + i] += dot(table.slice(i * width, (i + 1) * width), at.span(cells, b));
      }
      if (b < p && a >= p) {
        for (let i = 0; i < width; i++) tables[at.offsets[b] + i] += sum(at.span(cells, a).map((x, k) => x * table[k * width + i]));
      }
    }
    return signals.map((j) => {
      const { shares, z, square } = units[j], table = tables.slice(at.offsets[j], at.offsets[j] + shares.length), mean = dot(shares, table);
      const around = table.map((x) => x - mean), slope = dot(shares, around.map((x, level) => x * z[level])) / square;
      return { slope, rest: Math.max(0, dot(shares, around.map((x) => x * x)) - slope * slope * square) };
    });
  }

  function shrinkageOf(each, { unrated, covariance }) {
    const slopes = each.map(({ slope }, j) => (unrated[j] ? slope : 0));
    const common = range(f.loadings[0].length).map((a) => sum(signals.map((j) => slopes[j] * f.loadings[j][a])));
    let variance = dot(common, times(covariance, common));
    for (const j of signals) if (unrated[j]) variance += slopes[j] ** 2 * f.unique[j] + each[j].rest;
    return 1 / Math.sqrt(1 + (Math.PI / 8) * variance);
  }

  function deviation(raw, evidence) {
    const vector = [...model.start], move = (by, weight) => by.forEach((x, r) => { vector[r] += weight * x; });
    let variance = 0;
    terms.forEach((_, t) => {
      if (evidence && t < p && evidence.unrated[t]) {
        move(lines[t].mean, 1);
        move(lines[t].slope, evidence.expected[t]);
        variance += lines[t].own;
        return;
      }
      for (let cell = at.offsets[t]; cell < at.offsets[t + 1]; cell++) if (raw[cell]) { move(vectors[cell], raw[cell]); variance += raw[cell] * model.variances[cell]; }
    });
    return Math.sqrt(dot(vector, vector) + variance);
  }

  // -- what adds up to the log-odds -------------------------------------------------------------------------------
  function withMasked({ baseline, own, implied }, values) {
    const cells = at.weights(values), given = values.map((value) => value !== null), added = zeros(terms.length);
    let start = masked.share * baseline + masked.intercept;
    const each = [...terms.map((_, t) => [[t], dot(at.span(masked.main, t), at.span(cells, t))]), ...joint(masked.joint, cells, at.span)];
    for (const [members, value] of each) {
      const answered = members.filter((t) => given[t]);
      if (!answered.length) start += value;
      for (const t of answered) added[t] += value / answered.length;
    }
    const all = terms.map((_, t) => masked.share * (own[t] + implied[t]) + added[t]);
    const mine = own.map((x, t) => (t >= p || !given[t] ? all[t] : x));
    return { baseline: start, own: mine, implied: all.map((x, t) => x - mine[t]) };
  }

  function partial(values) {
    const evidence = estimate(values), { unrated, expected, byGaps, weights, z } = evidence, raw = at.weights(values);
    const cells = fill(raw, values, evidence, expected), added = contributions(cells), ratio = logOddsPerUnit(cells, evidence);
    const own = added.map((x, t) => (values[t] === null ? 0 : x)), implied = zeros(terms.length);
    let baseline = model.intercept + sum(added.filter((_, t) => values[t] === null));
    for (const j of signals) {
      if (!ratio[j]) continue;
      weights[j].forEach((weight, i) => { implied[i] += ratio[j] * weight * z[i]; });
      own[j] += ratio[j] * byGaps[j];
      baseline -= ratio[j] * byGaps[j];
    }
    baseline -= sum(implied);
    const each = slopesGiven(values), shrinkage = shrinkageOf(each, evidence), share = gapsOf(unrated), left = gapsAdded(share) / Math.max(share * p, 1);
    let reasons = {
      baseline: shrinkage * baseline + gapsOffset(share),
      own: own.map((x, t) => shrinkage * x + (t < p && unrated[t] ? left : 0)),
      implied: implied.map((x) => shrinkage * x),
    };
    if (masked) reasons = withMasked(reasons, values);
    return { ...reasons, deviation: shrinkage * deviation(raw, evidence), shrinkage, each, evidence };
  }

  // What the signals that are not rated could still change: `remaining` in predictor/model/first_questions.py.
  function remaining(logOdds, { shrinkage, each, evidence: { unrated, covariance } }) {
    const slopes = each.map(({ slope }, j) => (unrated[j] ? slope : 0)), rest = each.map((line, j) => (unrated[j] ? line.rest : 0));
    const common = times(covariance, range(f.loadings[0].length).map((a) => sum(signals.map((j) => slopes[j] * f.loadings[j][a]))));
    const moved = f.loadings.map((row, j) => dot(row, common) + f.unique[j] * slopes[j]);
    const own = f.loadings.map((row, j) => dot(row, times(covariance, row)) + f.unique[j]);
    const variance = dot(slopes, moved) + sum(rest), half = model.quantile * Math.sqrt(variance), middle = logOdds / shrinkage;
    if (variance < NEGLIGIBLE_EXPECTATION) return null; // no signal that is not rated counts, as for some raters
    const gain = moved.map((x, j) => (x * x / (own[j] > 0 ? own[j] : 1) + rest[j]) / (variance || 1));
    const order = signals.filter((j) => unrated[j]).sort((a, b) => gain[b] - gain[a]);
    return { low: probability(middle - half), high: probability(middle + half), explained: order.map((j) => [j, Math.min(1, gain[j])]) };
  }

  function allRated(values, rated) {
    const cells = at.weights(values), start = model.coverage ? model.coverage[rated] : gapsOffset(0);
    return { baseline: model.intercept + start, own: contributions(cells), implied: zeros(terms.length), deviation: deviation(cells, null) };
  }

  return function answer(given, baseRate = model.base_rate) {
    const rated = given.slice(0, p).filter((value) => value !== null).length;
    const values = rated ? given : zeros(terms.length).fill(null); // without a rating, inputs do not count either
    let parts = hasFactors && rated < p ? partial(values) : allRated(values, rated);
    if (hasFactors && !rated) parts = { ...parts, baseline: logit(model.base_rate), own: zeros(terms.length), implied: zeros(terms.length) };
    const baseline = parts.baseline + logit(baseRate) - logit(model.base_rate), added = parts.own.map((x, t) => x + parts.implied[t]);
    const logOdds = added.reduce((soFar, x) => soFar + x, baseline), half = model.quantile * parts.deviation;
    return {
      rated, baseline, added, implied: parts.implied, logOdds, baseRate,
      probability: rated ? probability(logOdds) : baseRate,
      low: probability(logOdds - half),
      high: probability(logOdds + half),
      left: parts.shrinkage && rated ? remaining(logOdds, parts) : null,
    };
  };
}
