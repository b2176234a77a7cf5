// Which page belongs to which address? Addresses are for sharing: they do not change.
import { ErrorBoundary, lazy, LocationProvider, Route, Router, useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { onSimulated, readJson } from "./api/load";
import type { Health } from "./api/types";
import { t } from "./messages/text";
import { Surroundings, type Around } from "./shell/context";
import { Page, willMove } from "./shell/Page";
import { Shell } from "./shell/Shell";

const World = lazy(() => import("./pages/World"));
const Country = lazy(() => import("./pages/Country"));
const Indicator = lazy(() => import("./pages/Indicator"));
const Network = lazy(() => import("./pages/Network"));
const Targets = lazy(() => import("./pages/Targets"));
const Target = lazy(() => import("./pages/Target"));
const Verdicts = lazy(() => import("./pages/Verdicts"));
const Measurement = lazy(() => import("./pages/Measurement"));
const Waves = lazy(() => import("./pages/Waves"));
const Wave = lazy(() => import("./pages/Wave"));
const Coverage = lazy(() => import("./pages/Coverage"));
const Live = lazy(() => import("./pages/Live"));
const Events = lazy(() => import("./pages/Events"));
const Event = lazy(() => import("./pages/Event"));
const ShutdownCoverage = lazy(() => import("./pages/ShutdownCoverage"));
const Calendar = lazy(() => import("./pages/Calendar"));
const Review = lazy(() => import("./pages/Review"));
const Method = lazy(() => import("./pages/Method"));

function Nowhere() {
  return (
    <Page title={t("nowhere.title")}>
      <p>{t("nowhere.text")}</p>
      <p><a href="/">{t("error.home")}</a></p>
    </Page>
  );
}

function Pages() {
  const { path } = useLocation();
  const [broken, setBroken] = useState(false);
  useEffect(() => setBroken(false), [path]);
  if (broken) {
    return (
      <Page title={t("error.title")}>
        <p role="alert">{t("error.broken")}</p>
        <p><a href={path} onClick={() => location.reload()}>{t("error.retry")}</a></p>
      </Page>
    );
  }
  return (
    <ErrorBoundary
      onError={(error) => {
        console.error(error);
        setBroken(true);
      }}
    >
      <Router
        onRouteChange={() => {
          willMove();
          window.scrollTo(0, 0);
        }}
      >
        <Route path="/" component={World} />
        <Route path="/countries/:country" component={Country} />
        <Route path="/countries/:country/indicators/:indicator" component={Indicator} />
        <Route path="/countries/:country/calendar" component={Calendar} />
        <Route path="/live" component={Live} />
        <Route path="/events" component={Events} />
        <Route path="/events/:id" component={Event} />
        <Route path="/coverage/shutdowns" component={ShutdownCoverage} />
        <Route path="/review" component={Review} />
        <Route path="/networks/:asn" component={Network} />
        <Route path="/targets" component={Targets} />
        <Route path="/targets/:target" component={Target} />
        <Route path="/verdicts" component={Verdicts} />
        <Route path="/measurements/:id" component={Measurement} />
        <Route path="/waves" component={Waves} />
        <Route path="/waves/:id" component={Wave} />
        <Route path="/coverage" component={Coverage} />
        <Route path="/method" component={Method} />
        <Route default component={Nowhere} />
      </Router>
    </ErrorBoundary>
  );
}

export function App() {
  const [around, setAround] = useState<Around>({ simulated: false, version: null });
  useEffect(() => {
    const forget = onSimulated((simulated) =>
      setAround((old) => (old.simulated === simulated ? old : { ...old, simulated })),
    );
    // Also a page whose own data cannot be had must say that the world is simulated.
    readJson<Health>("/v1/health").then(
      ({ version }) => setAround((old) => ({ ...old, version })),
      () => undefined,
    );
    return forget;
  }, []);
  return (
    <Surroundings.Provider value={around}>
      <LocationProvider scope={/^\/(?!v1(\/|$))/}>
        <Shell around={around}>
          <Pages />
        </Shell>
      </LocationProvider>
    </Surroundings.Provider>
  );
}
