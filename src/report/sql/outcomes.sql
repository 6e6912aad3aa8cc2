-- Beyond the paper: How conversations ended
--
-- Question: What came of the connections to each port?
-- Population: targets that answered, after all rungs: one connection each.
-- Needs: handshakes
-- Keys: protocol, outcome
-- Chart: stack x=protocol y=servers_pct by=outcome n=servers

SELECT protocol, outcome, count(*) AS servers, pct(count(*), sum(count(*)) OVER (PARTITION BY protocol)) AS servers_pct
FROM scan_results
GROUP BY protocol, outcome
ORDER BY study_order(protocol), protocol, servers DESC, outcome;
