// Everything above is put on the page here; the mark tells tests when it is ready to be read.

themed();
fillHeader();
fillRanking();
fillOverview();
setUpHeat();
drawCharts();
setUpTable();
setUpDetail();
followLink();
document.documentElement.dataset.readyMilliseconds = String(Math.round(performance.now()));
