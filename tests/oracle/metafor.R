# Runs metafor on data sets and writes what it gives, one number a line: Rscript metafor.R IN.csv OUT.csv [uni|more|glmm|time]
# IN: set, x, n, z (a moderator). Iterations are tightened so that its numbers carry 12 digits.
suppressMessages(library(metafor))
args <- commandArgs(TRUE)
data <- read.csv(args[1])
what <- if (length(args) > 2) args[3] else "uni"
ctl <- list(threshold = 1e-13, maxiter = 100000, tol = 1e-14)
out <- list()
put <- function(.set, .measure, .est, .test, ...) {
  v <- c(...)
  out[[length(out) + 1]] <<- data.frame(set = .set, measure = .measure, estimator = .est, test = .test, key = names(v), value = unname(v))
}
backs <- list(PLO = transf.ilogit, PLN = exp, PR = function(x) x, PAS = transf.iarcsin, PFT = transf.ipft.hm)
turned <- function(r, m, n) {
  p <- if (m == "PFT") predict(r, transf = backs[[m]], targs = list(ni = n)) else predict(r, transf = backs[[m]])
  pl <- if (is.null(p$pi.lb)) c(NA, NA) else c(p$pi.lb, p$pi.ub)
  c(estimate = p$pred, low = p$ci.lb, high = p$ci.ub, ahead_low = pl[1], ahead_high = pl[2])
}
for (s in unique(data$set)) {
  z <- data[data$set == s, ]
  if (what == "uni") {
    for (m in names(backs)) {
      e <- escalc(measure = m, xi = x, ni = n, data = z)
      for (est in c("EE", "DL", "REML", "ML", "PM", "HS", "SJ", "HE", "EB")) for (tst in c("z", "t", "knha", "adhoc")) {
        r <- suppressWarnings(rma(yi, vi, data = e, method = est, test = tst, control = ctl))
        ci <- if (est == "EE") c(NA, NA) else confint(r, control = list(tol = 1e-14, tau2.max = 1e4))$random[1, 2:3]
        put(s, m, est, tst, turned(r, m, z$n), effect = r$b[1], se = r$se, tau2 = r$tau2, i2 = r$I2, h2 = r$H2, q = r$QE, q_p = r$QEp,
            tau2_low = unname(ci[1]), tau2_high = unname(ci[2]))
      }
    }
  }
  if (what == "glmm") {
    r <- suppressWarnings(rma.glmm(measure = "PLO", xi = x, ni = n, data = z))
    put(s, "GLMM", "ML", "z", turned(r, "PLO", z$n), effect = r$b[1], se = r$se, tau2 = r$tau2, i2 = r$I2, h2 = r$H2, q = r$QE.LRT, q_p = r$QEp.LRT)
    r <- suppressWarnings(rma.glmm(measure = "PLO", xi = x, ni = n, mods = ~ z, data = z))
    put(s, "GLMM", "ML", "reg", b0 = r$b[1], b1 = r$b[2], se0 = r$se[1], se1 = r$se[2], tau2 = r$tau2, qe = r$QE.LRT)
  }
  if (what == "more") {
    e <- escalc(measure = "PLO", xi = x, ni = n, data = z)
    for (est in c("DL", "REML", "PM")) {
      r <- rma(yi, vi, data = e, method = est, control = ctl)
      for (tst in c("z", "knha")) {
        g <- rma(yi, vi, mods = ~ z, data = e, method = est, test = tst, control = ctl)
        put(s, "PLO", est, paste0("reg-", tst), b0 = g$b[1], b1 = g$b[2], se0 = g$se[1], se1 = g$se[2], tau2 = g$tau2, i2 = g$I2, qe = g$QE,
            qm = g$QM, qm_p = g$QMp, r2 = if (is.null(g$R2)) NA else g$R2, low1 = g$ci.lb[2], high1 = g$ci.ub[2])
      }
      t1 <- regtest(r, model = "lm"); t2 <- regtest(r, model = "rma"); t3 <- suppressWarnings(ranktest(r))
      put(s, "PLO", est, "bias", egger = t1$zval, egger_p = t1$pval, mixed = t2$zval, mixed_p = t2$pval, begg = unname(t3$tau), begg_p = unname(t3$pval))
      f <- suppressWarnings(trimfill(r))
      put(s, "PLO", est, "fill", missing = f$k0, effect = f$b[1], se = f$se, tau2 = f$tau2)
      l <- leave1out(r); i <- influence(r)$inf
      for (j in seq_len(r$k)) put(s, "PLO", est, paste0("out-", j), effect = l$estimate[j], se = l$se[j], tau2 = l$tau2[j],
        residual = i$rstudent[j], dffits = i$dffits[j], cook = i$cook.d[j], ratio = i$cov.r[j], hat = i$hat[j], q_deleted = i$QE.del[j])
      cu <- cumul(r)
      for (j in 2:r$k) put(s, "PLO", est, paste0("upto-", j), effect = cu$estimate[j], se = cu$se[j])
    }
  }
  if (what == "time") {
    laps <- function(f, n) { f(); t0 <- proc.time()[["elapsed"]]; for (i in seq_len(n)) f(); (proc.time()[["elapsed"]] - t0) / n }
    e <- escalc(measure = "PLO", xi = x, ni = n, data = z)
    put(s, "PLO", "REML", "time", seconds = laps(function() rma(yi, vi, data = e, method = "REML"), 50))
    put(s, "PLO", "DL", "time", seconds = laps(function() rma(yi, vi, data = e, method = "DL"), 50))
    if (requireNamespace("lme4", quietly = TRUE))
      put(s, "GLMM", "ML", "time", seconds = laps(function() suppressWarnings(rma.glmm(measure = "PLO", xi = x, ni = n, data = z)), 10))
  }
}
all <- do.call(rbind, out)
all$value <- format(all$value, digits = 15, scientific = TRUE, trim = TRUE)
all$version <- as.character(packageVersion("metafor"))
write.csv(all, args[2], row.names = FALSE, quote = FALSE)
