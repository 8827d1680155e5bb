// Everything above is put on the page here; the mark tells tests when it is ready to be read.

fillHeader();
fillOverview();
fillHeat();
drawCharts();
setUpTable();
setUpDetail();
document.documentElement.dataset.readyMilliseconds = String(Math.round(performance.now()));
