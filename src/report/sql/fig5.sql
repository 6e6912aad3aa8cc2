-- Figure 5: Errors in certificate chains, passive
--
-- Question: How good are the chains of the servers that clients use, and how good is what a connection meets?
-- Population: monitored servers (address and port) whose chain was seen and judged; each once, and by its connections.
--   A server with several chains is valid if all of them are, and has the faults of each.
-- Note: Flags overlap, so a line may add up to more than 100 %. Broken: an issuer is missing, or the root is not in the
--   store; a self-signed certificate is none of these. Other: a wrong signature, not valid yet, or what verify calls
--   other.
-- Note: In TLS 1.3 certificates are encrypted, so servers and connections with it are not in this figure (question
--   hidden).
-- Needs: connections
-- Needs: verdicts
-- Keys: protocol
-- Chart: columns x=protocol y=servers_valid_pct,servers_self_signed_pct,servers_expired_pct,servers_broken_pct,servers_other_pct n=servers
-- Chart: columns x=protocol y=connections_valid_pct,connections_self_signed_pct,connections_expired_pct,connections_broken_pct,connections_other_pct n=connections

WITH judged AS (
    SELECT protocol, server_ip, server_port, count(*) AS connections, valid, self_signed, expired,
           (missing_intermediate OR unknown_root) AND NOT self_signed AS broken,
           other OR bad_signature OR not_yet_valid AS other
    FROM monitored JOIN verdicts USING (chain_id)
    WHERE established GROUP BY ALL
), by_connection AS (
    SELECT protocol, sum(connections)::BIGINT AS connections,
           pct(sum(connections) FILTER (valid), sum(connections)) AS valid,
           pct(sum(connections) FILTER (self_signed), sum(connections)) AS self_signed,
           pct(sum(connections) FILTER (expired), sum(connections)) AS expired,
           pct(sum(connections) FILTER (broken), sum(connections)) AS broken,
           pct(sum(connections) FILTER (other), sum(connections)) AS other
    FROM judged GROUP BY protocol
), by_server AS (
    SELECT protocol, count(*) AS servers,
           pct(count(*) FILTER (valid), count(*)) AS valid,
           pct(count(*) FILTER (self_signed), count(*)) AS self_signed,
           pct(count(*) FILTER (expired), count(*)) AS expired,
           pct(count(*) FILTER (broken), count(*)) AS broken,
           pct(count(*) FILTER (other), count(*)) AS other
    FROM (SELECT protocol, server_ip, server_port, bool_and(valid) AS valid, bool_or(self_signed) AS self_signed,
                 bool_or(expired) AS expired, bool_or(broken) AS broken, bool_or(other) AS other
          FROM judged GROUP BY ALL)
    GROUP BY protocol
)
SELECT protocol, servers, s.valid AS servers_valid_pct, s.self_signed AS servers_self_signed_pct,
       s.expired AS servers_expired_pct, s.broken AS servers_broken_pct, s.other AS servers_other_pct,
       connections, coalesce(c.valid, 0) AS connections_valid_pct, coalesce(c.self_signed, 0) AS connections_self_signed_pct,
       coalesce(c.expired, 0) AS connections_expired_pct, coalesce(c.broken, 0) AS connections_broken_pct,
       coalesce(c.other, 0) AS connections_other_pct
FROM by_server s JOIN by_connection c USING (protocol)
ORDER BY study_order(protocol), protocol;
