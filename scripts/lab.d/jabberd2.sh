# shellcheck shell=bash
# jabberd2: a router, a session manager, and the two programs that clients and servers connect to. It has no
# direct TLS for servers.

write_jabberd2() {
    local address=198.18.6.32 conf=$dir/jabberd2 part
    server $address 5222 xmpp-client "jabberd2: STARTTLS required"
    server $address 5223 xmpps-client "jabberd2"
    server $address 5269 xmpp-server "jabberd2: STARTTLS"
    mkdir -p "$conf"
    cat "$dir/pki/imap.chain" "$dir/pki/imap.key" >"$conf/both.pem"
    chmod 600 "$conf/both.pem"
    : >"$conf/jabberd2.db"
    for part in router sm c2s s2s; do
        sed -e "s|/var/run/jabberd2|$conf|; s|/var/log/jabberd2|$dir/log|; s|/var/lib/jabberd2/sqlite.db|$conf/jabberd2.db|" \
            -e "s|<log type='file'>|<log type='stdout'>|" -e "s|<id>localhost.localdomain</id>|<id>chat.example</id>|" \
            -e "s|<id register-enable='mu'>[^<]*</id>|<id pemfile='$conf/both.pem' require-starttls='mu'>chat.example</id>|" \
            "/etc/jabberd2/$part.xml" >"$conf/$part.xml"
    done
    sed -i "s|<ip>0.0.0.0</ip>|<ip>127.0.0.1</ip>|" "$conf/router.xml"
    sed -i "s|<ip>0.0.0.0</ip>|<ip>$address</ip><ssl-port>5223</ssl-port><pemfile>$conf/both.pem</pemfile>|" "$conf/c2s.xml"
    sed -i "s|<ip>0.0.0.0</ip>|<ip>$address</ip><pemfile>$conf/both.pem</pemfile>|" "$conf/s2s.xml"
    chown -R jabber "$conf"
}

serve_jabberd2() {
    local part
    for part in router sm s2s c2s; do
        setpriv --reuid jabber --regid jabber --clear-groups \
            jabberd2-$part -c "$dir/jabberd2/$part.xml" >"$dir/log/jabberd2-$part.log" 2>&1 &
        sleep 0.2    # each of the others connects to the router
    done
}
