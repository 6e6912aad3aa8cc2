# shellcheck shell=bash
# Dovecot: two instances, whose lists of mechanisms Postfix shows too.

# What both instances have in common: instance, mechanisms in order, Postfix's socket to them.
dovecot_common() {
    local instance=$1 mechanisms=$2 socket=$3
    mkdir -p "$dir/$instance/state"
    echo 'nobody:{PLAIN}no-one-logs-in' >"$dir/$instance/users"
    cat <<CONF
base_dir = $dir/$instance/run
state_dir = $dir/$instance/state
instance_name = $instance
log_path = $dir/log/$instance.log
default_vsz_limit = 0
auth_mechanisms = $mechanisms
passdb {
  driver = passwd-file
  args = $dir/$instance/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
ssl_cert = <$dir/pki/imap.chain
ssl_key = <$dir/pki/imap.key
service auth {
  unix_listener $dir/postfix/spool/private/$socket {
    mode = 0660
    user = postfix
    group = postfix
  }
}
CONF
}

write_dovecot() {
    local both=198.18.2.143 tls12=198.18.3.93 clear=198.18.4.143 protocols=imap
    server $both 143 imap "Dovecot: STARTTLS, leaf and intermediate, LOGINDISABLED before TLS"
    server $both 993 imaps "Dovecot: leaf and intermediate"
    server $tls12 993 imaps "Dovecot: TLS 1.2 only"
    server $clear 143 imap "Dovecot: no STARTTLS"
    if [ "$LAB_SET" = study ]; then
        protocols="imap pop3"
        server $both 110 pop3 "Dovecot: STLS, leaf and intermediate"
        server $both 995 pop3s "Dovecot: leaf and intermediate"
        server $tls12 995 pop3s "Dovecot: TLS 1.2 only"
        server $clear 110 pop3 "Dovecot: no STLS"
    fi
    {
        dovecot_common dovecot-mixed "login cram-md5 plain" auth-mixed
        cat <<CONF
protocols = $protocols
listen = $both
ssl = yes
disable_plaintext_auth = yes
CONF
    } >"$dir/dovecot-mixed.conf"

    {
        dovecot_common dovecot-plain "plain login" auth-plain
        # Dovecot 2.3 sets no upper limit of the version itself; OpenSSL's own configuration does.
        cat <<CONF
protocols = $protocols
import_environment = OPENSSL_CONF=$dir/tls12.cnf
ssl = yes
disable_plaintext_auth = no
local $clear {
  ssl = no
}
CONF
        dovecot_listeners imap 143 imaps 993
        [ "$LAB_SET" != study ] || dovecot_listeners pop3 110 pop3s 995
    } >"$dir/dovecot-plain.conf"
    cat >"$dir/tls12.cnf" <<CONF
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = default
[default]
MaxProtocol = TLSv1.2
CONF
}

# One protocol in the clear at $clear, inside TLS at $tls12.
dovecot_listeners() {
    cat <<CONF
service $1-login {
  inet_listener $1 {
    address = $clear
    port = $2
  }
  inet_listener $3 {
    address = $tls12
    port = $4
  }
}
CONF
}

serve_dovecot() {
    dovecot -F -c "$dir/dovecot-mixed.conf" &
    dovecot -F -c "$dir/dovecot-plain.conf" &
}
